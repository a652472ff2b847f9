/** Loaded with `--import` into a worker: breaks its kernel as `VNES_MUTANT` says. */
import { breakSource } from "../crash/mutation-hook.ts";
import { MUTANTS } from "./mutants.ts";

breakSource(MUTANTS);
