/** `crash.tally`: counts what arrives, on the topic path and on the call path. */
import { capsule, type Json, type Keys } from "@vnes/sdk";

export default capsule({
  events: {
    "crash.added.v1": (turn, event) => count(turn.keys, "topic", (event as { readonly id: string }).id),
  },
  calls: {
    "crash.tally.note": (turn, input) => {
      count(turn.keys, "call", (input as { readonly id: string }).id);
      return {};
    },
    "crash.tally.counts": (turn, input) => {
      const { round } = input as { readonly round: string };
      return { topic: counts(turn.keys, "topic", round), call: counts(turn.keys, "call", round) };
    },
  },
});

/** Keys are `<path>/<round>-<n>`, so that one round can be read without the others. */
function count(keys: Keys, path: string, id: string): void {
  const key = `${path}/${id}`;
  keys.set(key, ((keys.get(key) as number | undefined) ?? 0) + 1);
}

function counts(keys: Keys, path: string, round: string): Json {
  const prefix = `${path}/`;
  return Object.fromEntries(
    keys.entries(`${prefix}${round}-`).map(([key, value]) => [key.slice(prefix.length), value]),
  );
}
