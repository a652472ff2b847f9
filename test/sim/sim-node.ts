/**
 * One node of a run: real kernel, memory drivers, a ledger that outlives its deaths. Owns its lives (boot, crash, orderly
 * stop) and hands each life the faults that were planned for it.
 */
import {
  type DriverTable,
  LedgerMemory,
  MemoryCapsuleSource,
  MemoryDevice,
  MemoryLedgerStore,
  MemoryQuarantine,
  MemorySandbox,
  NodeClock,
  SeededRandom,
} from "@vnes/driver-memory";
import {
  bootNode,
  type CapsuleImage,
  type Log,
  type Messenger,
  type Node,
  type NodeStatus,
  type SignatureVerifier,
} from "@vnes/kernel";
import { nodeDigest, nodeVerifier } from "@vnes/registry";
import type { Answer, Json } from "@vnes/schemas";
import type { BundleRealm } from "./bundles.ts";
import { CALM, type FaultPlan, planCrashPoint } from "./fault-plan.ts";
import type { Built } from "./images.ts";
import type { SnapshotPolicy } from "../../kernel/src/ledger/snapshot-policy.ts";
import type { ClusterParts } from "./shared-ledger.ts";
import type { World } from "./world.ts";

export interface SimNodeParts {
  readonly world: World;
  readonly name: string;
  readonly built: Built;
  readonly realm: BundleRealm;
  readonly images: readonly CapsuleImage[];
  readonly config: { readonly [capsule: string]: Json };
  readonly keeping: Keeping;
  /** Where the node is one of several. */
  readonly cluster?: ClusterParts;
  /** Drivers of one life of the node. */
  drivers(life: Life): DriverTable;
}

/** When shards write snapshots and how much of what is behind them they keep; absent: as a node in use does. */
export interface Keeping {
  readonly snapshots?: SnapshotPolicy;
  readonly historyRecords?: number;
}

/** Often enough that a short run takes some, and trims. */
export function planKeeping(world: World): Keeping {
  if (world.oneIn(3)) return {};
  const snapshots = { minRecords: world.pick([5, 20, 60]), minShare: world.pick([0, 0.5]) };
  return world.oneIn(2) ? { snapshots, historyRecords: world.pick([1, 10, 40]) } : { snapshots };
}

/** One life of a node, from its boot to its end. */
export interface Life {
  readonly number: number;
  isOver: boolean;
}

interface Running extends Life {
  readonly clock: NodeClock;
  readonly store: MemoryLedgerStore;
  readonly device: MemoryDevice;
  readonly messenger: Messenger | undefined;
  node: Node | undefined;
  isStopping: boolean;
}

export class SimNode {
  readonly name: string;
  readonly memory: LedgerMemory = new LedgerMemory({ keepTrimmed: true });
  /** The end of the last life that did not end by a planned death. */
  lastError: unknown;
  readonly #parts: SimNodeParts;
  readonly #listeners = new Set<() => void>();
  #life: Running | undefined;
  #lives = 0;

  constructor(parts: SimNodeParts) {
    this.#parts = parts;
    this.name = parts.name;
  }

  get isUp(): boolean {
    return this.#life?.node !== undefined && !this.#life.isStopping;
  }

  /** No process: neither running nor booting nor stopping. */
  get isDown(): boolean {
    this.#notice();
    return this.#life === undefined;
  }

  get lives(): number {
    return this.#lives;
  }

  /** Node time of the current life. */
  get now(): number {
    return (this.#life?.clock ?? this.#parts.world.clock).now();
  }

  /** Called at the end of every life, whatever ended it. */
  onEnd(listener: () => void): void {
    this.#listeners.add(listener);
  }

  boot(plan: FaultPlan): void {
    const { world, name, built, realm, images, keeping, cluster } = this.#parts;
    const retention = keeping.historyRecords === undefined ? {} : { history_records: keeping.historyRecords };
    if (this.#life !== undefined) throw new Error(`${name} runs already`);
    const clock = new NodeClock(world.clock, plan.clockOffsetMs);
    const crash = plan === CALM ? undefined : planCrashPoint(world);
    const commit = this.memory.commits + (crash?.commit ?? 0);
    const dice = new SeededRandom(world.random.below(2 ** 31));
    const wait = (ms: number, run: () => void): unknown =>
      clock.wakeAt(clock.now() + dice.below(ms + 1), run);
    const store = new MemoryLedgerStore(this.memory, {
      ...plan.store,
      ...(crash === undefined ? {} : { crashAtCommit: { commit, kept: crash.kept } }),
      later: (_, run) => void wait(plan.slowMs.commit, run),
    });
    const life = { number: ++this.#lives, isOver: false, isStopping: false, clock, store, node: undefined };
    const messenger = this.#parts.cluster?.connect(clock, dice.below(2 ** 31));
    const drivers = this.#parts.drivers(life);
    const running: Running = Object.assign(life, { device: new MemoryDevice(drivers), messenger });
    const sandbox = new MemorySandbox(realm.tableOf(built.images.keys()), {
      ...plan.sandbox,
      later: (_, run) => void wait(plan.slowMs.batch, run),
    });
    this.#life = running;
    world.trace(`${name} boots, life ${life.number}`);
    if (plan.crashAfterMs !== undefined)
      clock.wakeAt(clock.now() + plan.crashAfterMs, () => this.crash("planned"));
    if (plan.stopAfterMs !== undefined) clock.wakeAt(clock.now() + plan.stopAfterMs, () => this.stop());
    bootNode({
      node: name,
      pid: 1,
      clock,
      random: new SeededRandom(dice.below(2 ** 31)),
      digest: nodeDigest,
      verifier: rememberedVerifier,
      log: this.#log(),
      ledger: store,
      sandbox,
      device: running.device,
      sources: [new MemoryCapsuleSource(images.map((image) => ({ origin: `memory:${image.hash}`, image })))],
      quarantine: new MemoryQuarantine(),
      policy: keeping.historyRecords === undefined ? built.policy : { ...built.policy, retention },
      trust: built.trust,
      run: undefined,
      config: this.#parts.config,
      unconfinedDev: true,
      ...(keeping.snapshots === undefined ? {} : { snapshots: keeping.snapshots }),
      ...(cluster === undefined || messenger === undefined
        ? {}
        : { cluster: { table: cluster.table, messenger } }),
    }).then(
      (node) => {
        if (running.isOver) return;
        running.node = node;
        world.trace(`${name} is up`);
      },
      (error: unknown) => {
        if (running.isOver) return;
        this.lastError = error;
        world.trace(`${name} does not boot: ${textOf(error)}`);
        this.#end(running);
      },
    );
  }

  /** `kill -9`: what was not durable is lost, and nobody hears anything any more. */
  crash(why: string): void {
    const life = this.#life;
    if (life === undefined || life.isOver) return;
    this.#parts.world.trace(`${this.name} dies (${why})`);
    life.store.crash();
    this.#end(life);
  }

  stop(): void {
    const life = this.#life;
    if (life?.node === undefined || life.isStopping) return;
    life.isStopping = true;
    this.#parts.world.trace(`${this.name} stops`);
    life.node[Symbol.asyncDispose]().then(
      () => {
        if (!life.isOver) this.#end(life);
      },
      (error: unknown) => {
        this.lastError = error;
        this.#parts.world.trace(`${this.name} does not stop: ${textOf(error)}`);
        if (!life.isOver) this.#end(life);
      },
    );
  }

  status(): Promise<NodeStatus> | undefined {
    return this.isUp ? this.#life?.node?.status() : undefined;
  }

  killDriver(capsule: string): void {
    this.#life?.device.kill(`${capsule}/0`, "the simulation ended its process");
  }

  /** Undefined while no node takes calls. Never resolves once the node has died. */
  call(capability: string, method: string, input: Json, timeoutMs: number): Promise<Answer> | undefined {
    const life = this.#life;
    if (life?.node === undefined || life.isStopping) return undefined;
    const answer = life.node.call(capability, method, input, timeoutMs);
    return new Promise((resolve, reject) => {
      answer.then((given) => {
        this.#notice();
        // A process that died has told nobody.
        if (!life.isOver) resolve(given);
      }, reject);
    });
  }

  /** A crash point kills the store; the process goes with it. */
  #notice(): void {
    if (this.#life?.store.crashed === true) this.crash("at a commit");
  }

  #end(life: Running): void {
    life.isOver = true;
    life.clock.stop();
    void life.device[Symbol.asyncDispose]();
    void life.messenger?.[Symbol.asyncDispose]();
    if (this.#life === life) this.#life = undefined;
    for (const listener of this.#listeners) listener();
  }

  #log(): Log {
    const { world, name } = this.#parts;
    const line =
      (level: string) =>
      (data: object, message: string): void =>
        world.trace(`${name} ${level}: ${message} ${JSON.stringify(data)}`);
    return { debug: () => undefined, info: line("info"), warn: line("warn"), error: line("error") };
  }
}

const verified = new Map<string, boolean>();

/** Every boot of every run checks the same few signatures: each is checked once a process. */
const rememberedVerifier: SignatureVerifier = {
  verify: (publicKey, message, signature) => {
    const key = `${publicKey} ${signature} ${Buffer.from(nodeDigest.sha256(message)).toString("base64")}`;
    const known = verified.get(key);
    if (known !== undefined) return known;
    const isGood = nodeVerifier.verify(publicKey, message, signature);
    verified.set(key, isGood);
    return isGood;
  },
};

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
