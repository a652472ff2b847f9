/** `sim.watch`: a subscriber on two shards that counts what it gets. */
import { capsule, type Json, type Turn } from "@vnes/sdk";

interface Seen {
  readonly seen: number;
  readonly last: number | null;
}

function seenOf(turn: Turn, key: string): Seen {
  return (turn.keys.get(`seen/${key}`) as unknown as Seen | undefined) ?? { seen: 0, last: null };
}

export default capsule({
  events: {
    "sim.changed.v1": (turn, event) => {
      const { key, value } = event as { readonly key: string; readonly value: number };
      turn.keys.set(`seen/${key}`, { seen: seenOf(turn, key).seen + 1, last: value });
    },
    "sim.rang.v1": (turn, event) => {
      const { id } = event as { readonly id: string };
      turn.keys.set(`rang/${id}`, ((turn.keys.get(`rang/${id}`) as number | undefined) ?? 0) + 1);
    },
  },
  calls: {
    "sim.watch.counts": (turn, input): Json => ({ ...seenOf(turn, (input as { readonly key: string }).key) }),
  },
});
