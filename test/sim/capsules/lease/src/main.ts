/** `sim.lease`: keys with a time to live, written by compare-and-set. */
import { capsule } from "@vnes/sdk";

interface Asked {
  readonly name: string;
  readonly id: string;
  readonly ttlMs: number;
}

export default capsule({
  calls: {
    "sim.lease.take": (turn, input) => {
      const { name, id, ttlMs } = input as unknown as Asked;
      const key = `lease/${name}`;
      const holder = turn.keys.get(key);
      if (typeof holder === "string" && holder.slice(0, 2) !== id.slice(0, 2)) return { holder };
      turn.keys.set(key, id, { ttlMs, expect: turn.keys.version(key) });
      return { holder: id };
    },
    "sim.lease.drop": (turn, input) => {
      const { name } = input as unknown as Asked;
      const key = `lease/${name}`;
      if (turn.keys.get(key) === undefined) return { dropped: false };
      turn.keys.delete(key, { expect: turn.keys.version(key) });
      return { dropped: true };
    },
  },
});
