/** `observability`: the kernel's diagnostics and lifecycle transitions, counted, and the most recent of them kept. */
import { capsule, type Json } from "@vnes/sdk";
import { keep, loadCounts, MAX_RECENT, recent } from "./store.ts";

const RECENT_DEFAULT = 50;
const LIFECYCLE = "lifecycle";

/** Events and inputs arrive checked against their schemas. */
type Diagnostic = { readonly kind: string; readonly code: string };
type Transition = { readonly to: string };
type RecentInput = { readonly limit?: number; readonly kind?: string };

export default capsule({
  events: {
    "vnes.diagnostics.v1": (turn, event) => {
      const { kind, code } = event as unknown as Diagnostic;
      keep(turn.keys, kind, event, "codes", code);
    },
    "vnes.lifecycle.v1": (turn, event) => {
      keep(turn.keys, LIFECYCLE, event, "transitions", (event as unknown as Transition).to);
    },
  },
  calls: {
    "observability.summary": (turn) => {
      const { seen, codes, transitions } = loadCounts(turn.keys);
      return { seen, kept: Math.min(seen, MAX_RECENT), codes, transitions };
    },
    "observability.recent": (turn, input) => {
      const { limit = RECENT_DEFAULT, kind } = input as unknown as RecentInput;
      const found = recent(turn.keys).filter((kept) => kind === undefined || kept.kind === kind);
      return { events: found.slice(0, limit) as readonly Json[] };
    },
  },
});
