/** `tally` in TypeScript; what it should do is in `spec/logic.md`, the same for every language. */
import { capsule, type Json, refuse, type Turn } from "@vnes/sdk";

const MOST_AT_ONCE = 1_000;
const FADE_MS = 60_000;
const TOTAL = "total/";

/** Inputs and events arrive checked against their schemas. */
type Addition = { readonly name: string; readonly amount: number };

function add(turn: Turn, { name, amount }: Addition): number {
  const key = TOTAL + name;
  const total = ((turn.keys.get(key) as number | undefined) ?? 0) + amount;
  turn.keys.set(key, total);
  changed(turn, name, total);
  turn.setTimer(`fade:${name}`, turn.at + FADE_MS, { name });
  return total;
}

function changed(turn: Turn, name: string, total: number): void {
  const id = turn.id("chg");
  const lot = Math.floor(turn.random() * 1_000);
  turn.publish("tally.changed.v1", name, { id, name, total, lot });
}

export default capsule({
  events: {
    "tally.fed.v1": (turn, event) => {
      const addition = event as unknown as Addition;
      if (addition.amount > MOST_AT_ONCE) turn.log("warn", "too much at once", event);
      else add(turn, addition);
    },
  },
  calls: {
    "tally.add": (turn, input) => {
      const addition = input as unknown as Addition;
      const { amount } = addition;
      if (amount <= MOST_AT_ONCE) return { total: add(turn, addition) };
      const message = `at most ${MOST_AT_ONCE} at once`;
      return refuse("TALLY_AMOUNT_TOO_LARGE", message, { most: MOST_AT_ONCE, amount });
    },
    "tally.top": (turn) => {
      const entries = turn.keys
        .entries(TOTAL)
        .map(([key, total]) => ({ name: key.slice(TOTAL.length), total: total as number }));
      // Keys come sorted and the sort is stable, so equal totals stay in the order of their names.
      return { entries: entries.sort((a, b) => b.total - a.total) as Json };
    },
  },
  timers: {
    fade: (turn, payload) => {
      const { name } = payload as { readonly name: string };
      turn.keys.delete(TOTAL + name);
      changed(turn, name, 0);
      turn.log("info", "faded", { name });
    },
  },
});
