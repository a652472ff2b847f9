/** The command line of `npm run sim`, read once; what it prints is what repeats a run. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";

export interface Options {
  readonly from: number;
  readonly seeds: number;
  /** Things the clients of each run do. */
  readonly steps: number;
  readonly workers: number;
  readonly mutant: string;
  /** One seed, with everything that happened in it. */
  readonly show: boolean;
  readonly isolates: boolean;
  /** Only runs of Jumping VPN. */
  readonly vpn: boolean;
}

/** One seed of so many is a run of Jumping VPN: those that it divides. */
export const VPN_EVERY = 4;

const SEEDS = 200;
export const STEPS = 40;
/** A mutant that this many runs do not notice is not noticed. */
const MUTANT_SEEDS = 300;

/** Throws an Error that says what is wrong. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      steps: { type: "string" },
      workers: { type: "string" },
      mutant: { type: "string", default: "none" },
      isolates: { type: "boolean", default: false },
      vpn: { type: "boolean", default: false },
    },
  });
  const whole = (name: "seed" | "seeds" | "steps" | "workers", otherwise: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1`);
    return value;
  };
  const show = values.seed !== undefined && values.seeds === undefined;
  return {
    from: values.vpn ? Math.ceil(whole("seed", 1) / VPN_EVERY) * VPN_EVERY : whole("seed", 1),
    seeds: whole("seeds", show ? 1 : values.mutant === "none" ? SEEDS : MUTANT_SEEDS),
    steps: whole("steps", STEPS),
    workers: whole("workers", availableParallelism()),
    mutant: values.mutant,
    show,
    isolates: values.isolates,
    vpn: values.vpn,
  };
}

export function commandOf(seed: number, { steps, mutant }: Pick<Options, "steps" | "mutant">): string {
  const more = [
    ...(steps === STEPS ? [] : [`--steps ${steps}`]),
    ...(mutant === "none" ? [] : [`--mutant ${mutant}`]),
  ];
  return ["npm run sim -- --seed", String(seed), ...more].join(" ");
}

export const USAGE =
  "usage: npm run sim -- [--seeds N] [--seed S] [--steps N] [--workers N] [--mutant NAME|all] [--isolates] [--vpn]";
