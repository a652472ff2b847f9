/** What goes wrong in one life of one node: drawn once, when it boots, from the run's seed. */
import type { SandboxFaults, StoreFaults } from "@vnes/driver-memory";
import type { World } from "./world.ts";

export interface FaultPlan {
  readonly store: StoreFaults;
  readonly sandbox: SandboxFaults;
  /** The process dies this long after its boot began; undefined: not by itself. */
  readonly crashAfterMs: number | undefined;
  /** Somebody stops it in an orderly way instead. */
  readonly stopAfterMs: number | undefined;
  readonly clockOffsetMs: number;
  /** The longest a commit and a batch of turns take. */
  readonly slowMs: { readonly commit: number; readonly batch: number };
}

export const CALM: FaultPlan = {
  store: {},
  sandbox: {},
  crashAfterMs: undefined,
  stopAfterMs: undefined,
  clockOffsetMs: 0,
  slowMs: { commit: 2, batch: 1 },
};

/** Numbers of operations faults are spread over: what a life of a few virtual seconds does. */
const APPENDS = 160;
const COMMITS = 120;
const DELIVERIES = 200;
const OPENINGS = 24;
const LIFE_MS = 3_000;
/** How far a clock may be set back between two lives of a node. */
const CLOCK_JUMP_MS = 5_000;

export function planFaults(world: World): FaultPlan {
  const { random } = world;
  const some = (chance: number, most: number, below: number): ReadonlySet<number> => {
    const count = world.oneIn(chance) ? 1 + random.below(most) : 0;
    return new Set(Array.from({ length: count }, () => 1 + random.below(below)));
  };
  const store: StoreFaults = {
    diskFullAt: some(4, 6, APPENDS),
    ...(world.oneIn(8) ? { ioFailedAt: 1 + random.below(APPENDS) } : {}),
  };
  // A disk about to break is slow first, so that much waits for it when it does.
  const commit = store.ioFailedAt === undefined ? world.pick([0, 2, 5, 60]) : 60;
  const sandbox: SandboxFaults = {
    hostDiesAt: some(4, 3, DELIVERIES),
    deadlineAt: some(4, 3, DELIVERIES),
    openFailsAt: some(8, 2, OPENINGS),
  };
  const end = random.below(3);
  return {
    store,
    sandbox,
    crashAfterMs: end === 0 ? random.below(LIFE_MS) : undefined,
    stopAfterMs: end === 1 && world.oneIn(3) ? random.below(LIFE_MS) : undefined,
    clockOffsetMs: world.oneIn(4) ? random.below(2 * CLOCK_JUMP_MS) - CLOCK_JUMP_MS : 0,
    slowMs: { commit, batch: world.pick([0, 1, 3, 40]) },
  };
}

/** The commit at which the process dies, counted from the first of this life; undefined: at none. */
export function planCrashPoint(
  world: World,
): { readonly commit: number; readonly kept: boolean } | undefined {
  if (!world.oneIn(3)) return undefined;
  return { commit: 1 + world.random.below(COMMITS), kept: world.oneIn(2) };
}
