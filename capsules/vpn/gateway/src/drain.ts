/**
 * Emptying a gateway before it is taken away: it takes no session any more and lets go of those it carries, a page of them a
 * turn. None is ended by that: its client brings it to another gateway, or the session's own clock ends it.
 */
import type { Json, Turn } from "@vnes/sdk";
import { loadDraining, saveDraining } from "./store.ts";
import { beginWatch } from "./watch.ts";

/** Asked again for what is so already, nothing begins anew. */
export function drain(turn: Turn, input: Json): Json {
  const { on } = input as { readonly on: boolean };
  const isOn = loadDraining(turn.keys) !== null;
  if (on !== isOn) saveDraining(turn.keys, on ? turn.at : null);
  if (on && !isOn) beginWatch(turn);
  return { draining: loadDraining(turn.keys) };
}
