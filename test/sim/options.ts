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
  /** Of the runs, this many again in real isolates, spread over all. */
  readonly isolates: number;
  /** Only runs of Jumping VPN. */
  readonly vpn: boolean;
}

/** One seed of so many is a run of Jumping VPN: those that it divides. */
export const VPN_EVERY = 4;

const SEEDS = 200;
export const STEPS = 40;
/** A mutant that this many runs do not notice is not noticed. */
const MUTANT_SEEDS = 300;

/** What may stand without its number: `--vpn` takes as many runs as `--seeds` says, `--isolates` all of them. */
const BARE = ["--vpn", "--isolates"];
const ALL = "all";

/** Throws an Error that says what is wrong. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: args.flatMap((arg, index) => {
      const isBare = BARE.includes(arg) && !/^[^-]/.test(args[index + 1] ?? "");
      return isBare ? [arg, ALL] : [arg];
    }),
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      steps: { type: "string" },
      workers: { type: "string" },
      mutant: { type: "string", default: "none" },
      isolates: { type: "string" },
      vpn: { type: "string" },
    },
  });
  const whole = (name: Exclude<keyof typeof values, "mutant">, otherwise: number): number => {
    const value = values[name] === undefined || values[name] === ALL ? otherwise : Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1`);
    return value;
  };
  const vpn = values.vpn !== undefined;
  if (vpn && values.vpn !== ALL && values.seeds !== undefined)
    throw new Error("--vpn with a number and --seeds say the same: give one of them");
  const show = values.seed !== undefined && values.seeds === undefined && (!vpn || values.vpn === ALL);
  const seeds = whole("vpn", whole("seeds", show ? 1 : values.mutant === "none" ? SEEDS : MUTANT_SEEDS));
  return {
    from: vpn ? Math.ceil(whole("seed", 1) / VPN_EVERY) * VPN_EVERY : whole("seed", 1),
    seeds,
    steps: whole("steps", STEPS),
    workers: whole("workers", availableParallelism()),
    mutant: values.mutant,
    show,
    isolates: values.isolates === undefined ? 0 : Math.min(seeds, whole("isolates", seeds)),
    vpn,
  };
}

export type Repeated = Pick<Options, "steps" | "mutant"> & { readonly isIsolated?: boolean };

/** What repeats one run. */
export function commandOf(seed: number, { steps, mutant, isIsolated = false }: Repeated): string {
  const more = [
    ...(isIsolated ? ["--isolates"] : []),
    ...(steps === STEPS ? [] : [`--steps ${steps}`]),
    ...(mutant === "none" ? [] : [`--mutant ${mutant}`]),
  ];
  return ["npm run sim -- --seed", String(seed), ...more].join(" ");
}

export const USAGE =
  "usage: npm run sim -- [--seeds N] [--seed S] [--steps N] [--workers N] [--mutant NAME|all] [--isolates [N]] [--vpn [N]]";
