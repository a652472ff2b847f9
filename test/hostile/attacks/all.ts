/** Every attack there is. */
import type { Attack } from "../attack.ts";
import { JAVASCRIPT } from "./javascript.ts";

export const ATTACKS: readonly Attack[] = [...JAVASCRIPT];
