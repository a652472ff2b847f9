import { randomFillSync } from "node:crypto";
import type { Random } from "@vnes/kernel";

const SEED_BYTES = 8;
/** Every turn asks for a seed, and asking the system costs as much as the rest of handing the turn over: 512 at a time. */
const POOL_BYTES = 4_096;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/** Seeds nobody can predict. */
export const cryptoRandom: Random = {
  seed() {
    if (used === POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const seed = pool.toString("hex", used, used + SEED_BYTES);
    // What was handed out is not kept.
    pool.fill(0, used, used + SEED_BYTES);
    used += SEED_BYTES;
    return seed;
  },
};
