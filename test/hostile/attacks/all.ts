/** Every attack there is. */
import type { Attack } from "../attack.ts";
import { JAVASCRIPT } from "./javascript.ts";
import { NATIVE } from "./native.ts";
import { PYTHON } from "./python.ts";
import { WASM } from "./wasm.ts";

export const ATTACKS: readonly Attack[] = [...JAVASCRIPT, ...WASM, ...PYTHON, ...NATIVE];
