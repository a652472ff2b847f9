import { randomBytes } from "node:crypto";
import type { Random } from "@vnes/kernel";

/** Seeds nobody can predict. */
export const cryptoRandom: Random = { seed: () => randomBytes(8).toString("hex") };
