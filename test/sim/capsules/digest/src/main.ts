/** A subscriber of batches that reads other capsules' keys. */
import { capsule, type Turn } from "@vnes/sdk";

const POISON = 11;

function count(turn: Turn, key: string): void {
  turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 0) + 1);
}

export default capsule({
  batches: {
    "sim.changed.v1": (turn, events) => {
      count(turn, "batches/all");
      for (const { event } of events) {
        const { value } = event as { readonly value: number };
        if (value % POISON === 0) throw new Error(`cannot digest ${value}`);
      }
      turn.read({ capsule: "sim.lease", prefix: "lease/", tag: "looked", context: "lease" });
      turn.read({
        capsule: "sim.register",
        shard: events.length % 2,
        keys: ["reg/a", "reg/b", "reg/c"],
        tag: "looked",
        context: "register",
      });
    },
    "sim.flash.v1": (turn) => count(turn, "batches/flash"),
  },
  answers: {
    looked: (turn, answer, context) => {
      count(turn, `looked/${context as string}-${answer.ok ? "ok" : answer.code}`);
    },
  },
});
