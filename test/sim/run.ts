/** One run of one seed: what it is given, what came of it, and the hash of everything that happened. */
import { createHash } from "node:crypto";
import type { StoredLedger } from "../history/ledger-history.ts";
import type { Topology } from "../history/topology.ts";
import { topologyFrom } from "../history/topology-of-images.ts";
import { BUS_CAPSULES, runBus } from "./bus-run.ts";
import { BundleRealm } from "./bundles.ts";
import type { Built } from "./images.ts";
import type { VPN_EVERY } from "./options.ts";
import { runVpn, VPN_CAPSULES } from "./vpn-run.ts";
import { World } from "./world.ts";

/** What a seed runs, by its remainder; `VPN_EVERY` says the same of the first. */
const KINDS: { readonly length: typeof VPN_EVERY } & readonly ((parts: RunParts) => Promise<Outcome>)[] = [
  runVpn,
  (parts) => runBus(parts, ["sim"]),
  (parts) => runBus(parts, ["east", "west"]),
  (parts) => runBus(parts, ["sim"]),
];

export interface RunParts {
  readonly world: World;
  readonly built: Built;
  readonly realm: BundleRealm;
  readonly topology: Topology;
  readonly vpnTopology: Topology;
  /** Things the clients do. */
  readonly steps: number;
}

export interface Outcome {
  readonly problems: readonly string[];
  /** Keys whose history was too wide to decide. */
  readonly undecided: number;
  /** What each system left: nodes that share shards are one. */
  readonly ledgers: readonly StoredLedger[];
  readonly operations: number;
  readonly lives: number;
}

export interface Run extends Outcome {
  readonly seed: number;
  /** sha256 over the trace and the head of every shard. */
  readonly hash: string;
  readonly trace: readonly string[];
}

export class Simulator {
  readonly #built: Built;
  readonly #realm = new BundleRealm();
  readonly #topologies: Pick<RunParts, "topology" | "vpnTopology">;

  constructor(built: Built) {
    this.#built = built;
    const of = (ids: readonly string[]): Topology =>
      topologyFrom(ids.flatMap((id) => built.images.get(id) ?? []));
    this.#topologies = { topology: of(BUS_CAPSULES), vpnTopology: of(VPN_CAPSULES) };
  }

  async run(seed: number, steps: number, keepTrace: boolean): Promise<Run> {
    const world = new World(seed, keepTrace);
    const parts = { world, built: this.#built, realm: this.#realm, ...this.#topologies, steps };
    const outcome = await KINDS[seed % KINDS.length]?.(parts).catch(thrown);
    if (outcome === undefined) throw new Error(`there is no kind of run for seed ${seed}`);
    const hash = createHash("sha256").update(world.digest());
    for (const ledger of outcome.ledgers)
      for (const [shard, records] of ledger) hash.update(shard).update(records.at(-1)?.hash ?? "");
    return { seed, ...outcome, hash: hash.digest("hex"), trace: world.lines };
  }
}

function thrown(error: unknown): Outcome {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { problems: [`the run threw: ${what}`], undecided: 0, ledgers: [], operations: 0, lives: 0 };
}
