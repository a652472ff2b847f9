/** When and how each kill comes: from a seed, so that a run can be repeated as far as scheduling allows. Pure. */

export interface Kill {
  /** From 1. */
  readonly number: number;
  /** `server`: a server of the ledger is killed and started again, later the node too. */
  readonly way: "kill" | "powerCut" | "server";
  readonly moment:
    | { readonly after: "acknowledgements"; readonly count: number }
    | { readonly after: "milliseconds"; readonly ms: number }
    /** While the node recovers; counted from its start. */
    | { readonly after: "boot"; readonly ms: number };
  /** For a power cut: whether some of what was not synced survives. */
  readonly lucky: boolean;
}

/** Each of this many kills is a power cut. */
const POWER_CUT_EVERY = 5;
/** Each of this many comes while the node still recovers. */
const BOOT_EVERY = 7;
const MAX_ACKNOWLEDGEMENTS = 300;
const MAX_LOAD_MS = 250;
const MAX_BOOT_MS = 900;

/** With servers, kills of the node and of a server take turns, and the power stays on. */
export function planKills(
  kills: number,
  random: { below(limit: number): number },
  { hasServers = false }: { readonly hasServers?: boolean } = {},
): Kill[] {
  return Array.from({ length: kills }, (_, index): Kill => {
    const number = index + 1;
    const onFile = number % POWER_CUT_EVERY === 0 ? "powerCut" : "kill";
    const onServers = number % 2 === 0 ? "server" : "kill";
    const way = hasServers ? onServers : onFile;
    const lucky = random.below(2) === 0;
    if (number % BOOT_EVERY === 0 && way !== "server")
      return { number, way, lucky, moment: { after: "boot", ms: 1 + random.below(MAX_BOOT_MS) } };
    // The instant of an acknowledgement is when a node that promised too early is caught.
    const moment =
      random.below(2) === 0
        ? ({ after: "acknowledgements", count: 1 + random.below(MAX_ACKNOWLEDGEMENTS) } as const)
        : ({ after: "milliseconds", ms: 1 + random.below(MAX_LOAD_MS) } as const);
    return { number, way, lucky, moment };
  });
}
