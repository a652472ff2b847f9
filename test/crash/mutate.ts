/** Loaded with `--import` into the node under test: breaks it as `VNES_MUTANT` says. */
import { breakSource } from "./mutation-hook.ts";
import { MUTANTS } from "./mutants.ts";

breakSource(MUTANTS);
