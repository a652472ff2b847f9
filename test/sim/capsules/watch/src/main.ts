/** `sim.watch`: a subscriber on two shards that counts what it gets. */
import { capsule, type Json, type Turn } from "@vnes/sdk";

interface Seen {
  readonly seen: number;
  readonly last: number | null;
}

function seenOf(turn: Turn, key: string): Seen {
  return (turn.keys.get(`seen/${key}`) as unknown as Seen | undefined) ?? { seen: 0, last: null };
}

function count(turn: Turn, key: string): void {
  turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 0) + 1);
}

export default capsule({
  events: {
    "sim.changed.v1": (turn, event) => {
      const { key, value } = event as { readonly key: string; readonly value: number };
      turn.keys.set(`seen/${key}`, { seen: seenOf(turn, key).seen + 1, last: value });
    },
    "sim.rang.v1": (turn, event) => {
      const { id } = event as { readonly id: string };
      count(turn, `rang/${id}`);
    },
    // What is counted leaves a record, with the event in it.
    "sim.flash.v1": (turn, _event, { key }) => count(turn, `flashed/${key}`),
  },
  calls: {
    "sim.watch.counts": (turn, input): Json => ({ ...seenOf(turn, (input as { readonly key: string }).key) }),
  },
});
