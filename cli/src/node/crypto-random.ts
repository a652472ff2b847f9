import { randomFillSync } from "node:crypto";
import type { Random } from "@vnes/kernel";

const SEED_DIGITS = 16;
/** Every turn asks for a seed, and asking the system costs as much as the rest of handing the turn over: 512 at a time. */
const pool = Buffer.alloc(4_096);
/** All of them as text: a text made for each takes 0.1 µs, a part of this one a tenth of that. */
let digits = "";
let used = 0;

/** Seeds nobody can predict. What was handed out is forgotten with its pool: the ledger keeps it in any case. */
export const cryptoRandom: Random = {
  seed() {
    if (used === digits.length) {
      digits = randomFillSync(pool).toString("hex");
      used = 0;
    }
    used += SEED_DIGITS;
    return digits.slice(used - SEED_DIGITS, used);
  },
};
