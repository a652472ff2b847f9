/**
 * A running node: holds the parts that boot put together and carries out what a person asks of it. Decisions are made
 * elsewhere (lifecycle, binding, router); this file only keeps them in order.
 */
import { type Answer, isVnesError, type Json } from "@vnes/schemas";
import { capsuleShard, slotOf } from "../bus/routing.ts";
import { isDurable, partitionShards } from "../bus/topics.ts";
import { imageFile } from "../admission/image.ts";
import { kernelErrors } from "../errors.ts";
import type { PendingCall, ShardState } from "../ledger/shard-state.ts";
import type { Reason } from "../admission/verdict.ts";
import type { QuarantineEntry } from "../ports/quarantine.ts";
import { reasonFrom } from "./admit.ts";
import { errorText, shardsOf } from "./boot.ts";
import type { Capsule, CapsuleTable } from "./capsule-table.ts";
import { CapsuleShard } from "./capsule-shard.ts";
import type { ControlCalls } from "./control-calls.ts";
import type { Counters } from "./counters.ts";
import { DeviceRunner } from "./device-runner.ts";
import { diagnostic, type KernelShard } from "./kernel-shard.ts";
import type { LedgerWatch } from "./ledger-watch.ts";
import { limitsOf, maxStateSize } from "./limits.ts";
import type { CapsuleStatus, Node, NodeStatus } from "./node.ts";
import type { NodeParts } from "./parts.ts";
import type { RecoveredShard } from "./recovery.ts";
import type { Router, Switchboard } from "./router.ts";
import type { ShardLog } from "./shard-log.ts";
import { nameOf } from "./wiring.ts";

export interface NodeRuntimeParts {
  readonly parts: NodeParts;
  readonly board: Switchboard;
  readonly control: ControlCalls;
  readonly router: Router;
  readonly table: CapsuleTable;
  readonly kernel: KernelShard;
  readonly counters: Counters;
  readonly watch: LedgerWatch;
  /** Ids in the order of activation. */
  readonly order: readonly string[];
  readonly startedAt: number;
  /** Names of the shards that had records when the node booted. */
  readonly known: ReadonlySet<string>;
}

/** For the store to take what waits when the node ends. */
const STOP_PATIENCE_MS = 3_000;
/** Reasons of transitions that somebody wanted. */
const MEANT: ReadonlySet<string> = new Set(["ASKED", "SHUTDOWN"]);

type OpenShard = (shard: string) => { readonly state: ShardState; readonly log: ShardLog };

export class NodeRuntime implements Node {
  readonly #r: NodeRuntimeParts;
  #state: "running" | "stopping" = "running";
  #bootedAt = 0;
  #broken: unknown;
  /** Capsules that were suspended for killing their hosts. */
  readonly #killers = new Set<string>();
  #stopped: Promise<void> | undefined;
  /** One change of a capsule's state at a time. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(parts: NodeRuntimeParts) {
    this.#r = parts;
  }

  /** Throws what broke the ledger while the node booted. */
  booted(): void {
    if (this.#broken !== undefined) throw this.#broken;
    this.#bootedAt = this.#r.parts.clock.now();
  }

  /** The ledger is lost to this node: it stops acting and says so. */
  halt(error: unknown): void {
    if (this.#broken !== undefined || this.#state === "stopping") return;
    this.#broken = error;
    if (!this.#r.watch.isAbandoned)
      this.#r.parts.log.error(errorText(error), "the node stops acting: its ledger cannot be written");
    for (const shard of this.#r.board.shards.values()) void shard.pause();
  }

  // --- activation ------------------------------------------------------------------------------------------------

  /**
   * Loads everything, releases again what a crash left in doubt, then starts everything. In this order: a new effect
   * that overtook an old one of the same sender would raise the receiver's watermark over it.
   */
  async activateAll(open: OpenShard, recovered: ReadonlyMap<string, RecoveredShard>): Promise<void> {
    const { order, table } = this.#r;
    const capsules = order.map((id) => table.get(id));
    // Sandboxes open side by side, since that is where the time goes; start turns run in dependency order.
    const loaded = new Map<string, Promise<void>>();
    for (const capsule of capsules) {
      const loading = this.#load(capsule, open);
      loading.catch(() => undefined);
      loaded.set(capsule.id, loading);
    }
    const unanswered = this.#recoverEffects(recovered);
    for (const capsule of capsules) {
      try {
        this.#assertProviders(capsule);
        await loaded.get(capsule.id);
        await table.move(capsule, { type: "opened" });
        await this.#start(capsule);
        await table.move(capsule, { type: "started" });
      } catch (error) {
        await this.#failToStart(capsule, error);
      }
    }
    for (const { caller, call } of unanswered) this.#r.router.recoverDeviceCall(caller, call);
  }

  async #load(capsule: Capsule, open: OpenShard): Promise<void> {
    if (capsule.manifest.type === "driver") {
      this.#r.board.devices.set(capsule.id, this.#device(capsule));
      return;
    }
    const names = shardsOf(capsule);
    this.#assertShards(capsule, names.length);
    const shards = names.map((name, slot) => this.#shard(capsule, name, slot, open(name)));
    this.#r.board.slots.set(capsule.id, shards.length);
    for (const shard of shards) this.#r.board.shards.set(shard.name, shard);
    await Promise.all(shards.map((shard) => shard.load()));
  }

  async #start(capsule: Capsule): Promise<void> {
    const config = this.#r.parts.config[capsule.id] ?? null;
    const device = this.#r.board.devices.get(capsule.id);
    if (device !== undefined) {
      await device.start();
      return;
    }
    for (const shard of this.#shardsOf(capsule)) await shard.start(config);
  }

  #assertProviders(capsule: Capsule): void {
    const { board, table } = this.#r;
    for (const requirement of capsule.manifest.capabilities.requires ?? []) {
      const provider = board.capabilities.get(nameOf(requirement))?.provider;
      if (provider === undefined || provider === capsule.id || table.isActive(provider)) continue;
      const problem = table.get(provider).reason;
      throw kernelErrors.create("CAPSULE_DEPENDENT", { capsule: capsule.id, provider, problem });
    }
  }

  #assertShards(capsule: Capsule, now: number): void {
    let before = 0;
    while (this.#r.known.has(capsuleShard(capsule.id, before))) before++;
    if (before > now)
      throw kernelErrors.create("CAPSULE_SHARDS_CHANGED", { capsule: capsule.id, before, now });
  }

  #shard(
    capsule: Capsule,
    name: string,
    slot: number,
    { state, log }: { readonly state: ShardState; readonly log: ShardLog },
  ): CapsuleShard {
    const { parts, board, router, kernel, counters } = this.#r;
    const { id, manifest, image, zone, group, version } = capsule;
    const slots = manifest.state?.shards ?? 1;
    const shard = new CapsuleShard({
      spec: {
        instance: name,
        image,
        entry: entryOf(capsule),
        zone,
        group,
        limits: limitsOf(manifest, zone, parts.policy),
      },
      version,
      sandbox: parts.sandbox,
      rules: {
        manifest,
        topics: board.topics,
        capabilities: board.capabilities,
        required: new Set((manifest.capabilities.requires ?? []).map(nameOf)),
        maxStateSize: maxStateSize(zone, parts.policy),
      },
      state,
      log,
      clock: parts.clock,
      random: parts.random,
      counters,
      lines: parts.log,
      release: (entry, confirm) => router.route(entry, confirm),
      deadLetter: ({ delivery, code, message }) => {
        counters.add("deadLetters");
        // One rate for the log and the topic: what is over it is counted and neither.
        if (!kernel.report({ type: "diagnostic", about: "deadLetter", capsule: id, code, message })) return;
        parts.log.warn({ capsule: id, code, delivery: delivery.kind }, message);
      },
      hostDied: (reason) => {
        parts.log.warn(
          { capsule: id, group, reason },
          "the sandbox host died; its deliveries are repeated alone",
        );
        const fact = {
          type: "diagnostic",
          about: "hostDied",
          capsule: id,
          code: "SANDBOX_HOST_DIED",
        } as const;
        kernel.report({ ...fact, message: reason });
      },
      giveUp: (error) => this.#giveUp(capsule, error),
    });
    for (const topic of manifest.bus?.subscribes ?? []) {
      const found = board.topics.get(topic);
      if (found === undefined || !isDurable(found)) continue;
      for (const partitionName of partitionShards(found)) {
        const partition = board.partitions.get(partitionName);
        if (partition === undefined) continue;
        const next = (state.positions.get(partitionName) ?? 0) + 1;
        shard.inbox.subscribe(partition, next, (key) => slotOf(key, slots) === slot);
      }
    }
    return shard;
  }

  #device(capsule: Capsule): DeviceRunner {
    const { parts, router, kernel, counters } = this.#r;
    const { id, manifest, image } = capsule;
    const declared = new Set(manifest.bus?.publishes ?? []);
    return new DeviceRunner({
      spec: {
        instance: capsuleShard(id, 0),
        image,
        entry: entryOf(capsule),
        powers: manifest.security?.resources ?? [],
        config: parts.config[id] ?? null,
      },
      device: parts.device,
      clock: parts.clock,
      counters,
      lines: parts.log,
      publish: (topic, key, event) => router.publishFromDevice(declared, topic, key, event),
      died: (reason) => {
        parts.log.warn({ capsule: id, reason }, "the device host died and is restarted");
        kernel.report({
          type: "diagnostic",
          about: "deviceDied",
          capsule: id,
          code: "DEVICE_DIED",
          message: reason,
        });
      },
    });
  }

  async #failToStart(capsule: Capsule, error: unknown): Promise<void> {
    const { table, kernel, parts } = this.#r;
    const { code, message } = errorText(error);
    if (!this.#r.watch.isAbandoned) parts.log.error({ capsule: capsule.id, code }, message);
    if (isVnesError(error)) void kernel.record(diagnostic("capsule", capsule.id, error));
    await this.#close(capsule);
    await table.move(capsule, { type: "stopped", reason: code });
  }

  /**
   * After a crash: what was asked for and not confirmed is asked for again. Returns the calls to drivers that had no
   * answer; they can be dealt with when the drivers run.
   */
  #recoverEffects(
    recovered: ReadonlyMap<string, RecoveredShard>,
  ): readonly { readonly caller: CapsuleShard; readonly call: PendingCall }[] {
    const { board, router, kernel } = this.#r;
    const unanswered: { readonly caller: CapsuleShard; readonly call: PendingCall }[] = [];
    for (const [name, { state }] of recovered) {
      if (name === kernel.name) continue;
      const caller = board.shards.get(name);
      for (const call of state.pending.values()) {
        if (caller === undefined || !router.isDeviceCall(call.capability)) continue;
        state.outbox.delete(call.callId);
        unanswered.push({ caller, call });
      }
      for (const [id, entry] of [...state.outbox]) router.route(entry, () => state.outbox.delete(id));
    }
    return unanswered;
  }

  // --- what a person asks ------------------------------------------------------------------------------------------

  async status(): Promise<NodeStatus> {
    const { parts, board, table, counters, kernel } = this.#r;
    const problems = this.#problems();
    const records =
      [...board.shards.values()].reduce((sum, { state }) => sum + state.seq, kernel.state.seq) +
      [...board.partitions.values()].reduce((sum, { lastSeq }) => sum + lastSeq, 0);
    const running = problems.length === 0 ? "running" : "degraded";
    return {
      node: parts.node,
      pid: parts.pid,
      state: this.#state === "stopping" ? "stopping" : running,
      problems: distinct(problems),
      bootedAt: this.#bootedAt,
      now: parts.clock.now(),
      bootMs: this.#bootedAt - this.#r.startedAt,
      capsules: table.all().map((capsule) => this.#statusOf(capsule)),
      quarantined: (await parts.quarantine.list()).length,
      ledger: { records, shards: board.shards.size + board.partitions.size + 1 },
      counters: counters.all(),
    };
  }

  #problems(): readonly Reason[] {
    const { watch, table } = this.#r;
    const broken = isVnesError(this.#broken) ? [this.#broken] : [];
    return [...watch.problems(), ...broken].map(reasonFrom).concat(
      // What a person or the node's end stopped is no problem; what stopped by itself is.
      table.all().flatMap(({ id, state, reason }) => {
        if ((state !== "unloaded" && state !== "suspended") || MEANT.has(reason)) return [];
        const { code, message, remedy } = kernelErrors.create("CAPSULE_DOWN", { capsule: id, state, reason });
        // Where the reason has a remedy of its own, that is the one to type.
        const own = Object.entries(kernelErrors.entries).find(([known]) => known === reason)?.[1].remedy;
        return [{ code, message, remedy: own?.includes("{") === false ? own : remedy, file: id }];
      }),
    );
  }

  #statusOf(capsule: Capsule): CapsuleStatus {
    const shards = this.#shardsOf(capsule);
    const device = this.#r.board.devices.get(capsule.id);
    const sum = (of: (shard: CapsuleShard) => number): number =>
      shards.reduce((total, shard) => total + of(shard), 0);
    const { id, version, zone, state, reason, origin, group, manifest, image } = capsule;
    return {
      id,
      version,
      type: manifest.type,
      zone,
      state,
      reason,
      imageHash: image.hash,
      origin,
      group,
      turns: device?.calls ?? sum((shard) => shard.turns),
      failedTurns: sum((shard) => shard.failedTurns),
      deadLetters: sum((shard) => shard.deadLetters),
      restarts: device?.restarts ?? sum((shard) => shard.restarts),
      shards: Object.fromEntries(shards.map((shard) => [shard.name, shard.state.seq])),
    };
  }

  async inspect(id: string): Promise<Json> {
    const capsule = this.#r.table.get(id);
    const { parts, board } = this.#r;
    const shards = this.#shardsOf(capsule);
    const receipt = imageFile(capsule.image, "receipt.stunir.json");
    const meters = await Promise.all(
      shards.map(async (shard) => [shard.name, (await shard.meters()) ?? null] as const),
    );
    const requires = (capsule.manifest.capabilities.requires ?? []).map((requirement) => {
      const provider = board.capabilities.get(nameOf(requirement))?.provider ?? null;
      return { requirement, provider };
    });
    return JSON.parse(
      JSON.stringify({
        ...this.#statusOf(capsule),
        manifest: capsule.manifest,
        receipt: receipt === undefined ? null : JSON.parse(new TextDecoder().decode(receipt.bytes)),
        files: capsule.image.files.map(({ path, sha256, bytes }) => ({ path, sha256, size: bytes.length })),
        requires,
        limits: limitsOf(capsule.manifest, capsule.zone, parts.policy),
        waiting: Object.fromEntries(shards.map((shard) => [shard.name, shard.inbox.waiting])),
        meters: Object.fromEntries(meters),
        device: (await board.devices.get(id)?.meters()) ?? null,
      }),
    ) as Json;
  }

  async suspend(id: string): Promise<CapsuleStatus> {
    return this.#change(id, async (capsule) => {
      await this.#r.table.move(capsule, { type: "suspended", reason: "ASKED" });
      await this.#halt(capsule);
    });
  }

  async resume(id: string): Promise<CapsuleStatus> {
    return this.#change(id, async (capsule) => {
      await this.#r.table.move(capsule, { type: "resumed", reason: "ASKED" });
      await this.#r.board.devices.get(id)?.start();
      for (const shard of this.#shardsOf(capsule)) {
        shard.forgive();
        await shard.load();
        shard.run();
      }
    });
  }

  async unload(id: string): Promise<CapsuleStatus> {
    return this.#change(id, async (capsule) => {
      this.#assertUnneeded(capsule);
      await this.#r.table.move(capsule, { type: "stopped", reason: "ASKED" });
      await this.#close(capsule);
    });
  }

  /** Throws `CAPSULE_IN_USE` when policy or an active capsule requires it. */
  #assertUnneeded({ id }: Capsule): void {
    const { parts, table, board } = this.#r;
    const users = table.all().filter(({ id: other, state, manifest }) => {
      if (other === id || (state !== "active" && state !== "suspended")) return false;
      const requires = manifest.capabilities.requires ?? [];
      return requires.some((one) => board.capabilities.get(nameOf(one))?.provider === id);
    });
    const by = users.map(({ id: user }) => user);
    if (parts.policy.required.includes(id)) by.push("the policy of this node");
    if (by.length > 0) throw kernelErrors.create("CAPSULE_IN_USE", { capsule: id, by: by.join(", ") });
  }

  async quarantined(): Promise<readonly QuarantineEntry[]> {
    return this.#r.parts.quarantine.list();
  }

  async call(capability: string, method: string, input: Json, timeoutMs: number): Promise<Answer> {
    if (this.#state === "stopping") {
      const { code, message } = kernelErrors.create("NODE_STOPPING");
      return { ok: false, code, message };
    }
    const [stall] = this.#r.watch.problems();
    if (stall !== undefined) return { ok: false, code: stall.code, message: stall.message };
    return this.#r.router.callFromControl(capability, method, input, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#stop();
    await this.#stopped;
  }

  async #stop(): Promise<void> {
    const { parts, order, table, control, kernel } = this.#r;
    this.#state = "stopping";
    control.endAll();
    // A store that takes no records must not keep the node from ending.
    const abandon = (): void => this.#r.watch.abandon(kernelErrors.create("NODE_STOPPING"));
    const cancel = parts.clock.wakeAt(parts.clock.now() + STOP_PATIENCE_MS, abandon);
    if (this.#r.watch.problems().length > 0) abandon();
    for (const id of [...order].reverse()) {
      const capsule = table.get(id);
      if (capsule.state !== "active" && capsule.state !== "suspended") continue;
      await this.#close(capsule);
      if (this.#broken === undefined) await table.move(capsule, { type: "stopped", reason: "SHUTDOWN" });
    }
    if (this.#broken === undefined) await kernel.settled();
    await parts.sandbox[Symbol.asyncDispose]();
    await parts.device[Symbol.asyncDispose]();
    cancel();
    await parts.ledger[Symbol.asyncDispose]();
  }

  /** A shard that cannot go on: the capsule is suspended, and its dependents keep waiting. */
  #giveUp(capsule: Capsule, error: unknown): void {
    const { table, kernel, parts } = this.#r;
    const { code, message } = errorText(error);
    if (this.#state === "stopping" || this.#r.watch.isAbandoned) return;
    parts.log.error({ capsule: capsule.id, code }, message);
    if (code.startsWith("LEDGER_")) {
      this.halt(error);
      return;
    }
    if (isVnesError(error)) void kernel.record(diagnostic("capsule", capsule.id, error));
    const again = code === "CAPSULE_KEEPS_KILLING" && this.#killers.has(capsule.id);
    if (code === "CAPSULE_KEEPS_KILLING") this.#killers.add(capsule.id);
    void this.#change(capsule.id, async () => {
      if (capsule.state === "active") await table.move(capsule, { type: "suspended", reason: code });
      await this.#halt(capsule);
      if (!again) return;
      // It was given another chance by hand and did it again: this image is not run here any more.
      await table.move(capsule, { type: "stopped", reason: code });
      await this.#close(capsule);
      await kernel.record({
        type: "denied",
        capsule: capsule.id,
        image: capsule.image.hash,
        reason: message,
      });
    }).catch((problem: unknown) => parts.log.error(errorText(problem), "a capsule could not be suspended"));
  }

  async #halt(capsule: Capsule): Promise<void> {
    await this.#r.board.devices.get(capsule.id)?.stop();
    for (const shard of this.#shardsOf(capsule)) await shard.unload();
  }

  async #close(capsule: Capsule): Promise<void> {
    await this.#halt(capsule);
    const { board } = this.#r;
    board.devices.delete(capsule.id);
    board.slots.delete(capsule.id);
    for (const name of shardsOf(capsule)) board.shards.delete(name);
  }

  #shardsOf(capsule: Capsule): readonly CapsuleShard[] {
    return shardsOf(capsule).flatMap((name) => this.#r.board.shards.get(name) ?? []);
  }

  async #change(id: string, change: (capsule: Capsule) => Promise<void>): Promise<CapsuleStatus> {
    const capsule = this.#r.table.get(id);
    const done = this.#changes.then(() => change(capsule));
    this.#changes = done.catch(() => undefined);
    await done;
    return this.#statusOf(capsule);
  }
}

function entryOf(capsule: Capsule): string {
  const entry = capsule.manifest.interfaces?.["javascript"];
  return typeof entry === "string" ? entry : "";
}

function distinct<T extends { readonly code: string; readonly file?: string }>(
  items: readonly T[],
): readonly T[] {
  return [...new Map(items.map((item) => [`${item.code} ${item.file ?? ""}`, item])).values()];
}
