/**
 * A running node: what a person asks of it, what happens when a capsule cannot go on, and the end. What a capsule is
 * made of, how it starts and what is said of it are files of their own; this one keeps changes in order.
 */
import { type Answer, isVnesError, type Json, neededRequirements } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import type { QuarantineEntry } from "../../ports/quarantine.ts";
import { reasonsFrom } from "../boot/admit.ts";
import { activateAll, closeCapsule, haltCapsule } from "../boot/activation.ts";
import type { OpenShard } from "../boot/capsule-opening.ts";
import { refusal } from "./call-lookup.ts";
import type { Capsule } from "./capsule-table.ts";
import { diagnostic } from "./kernel-shard.ts";
import type { CapsuleStatus, Node, NodeStatus } from "./node.ts";
import { errorText, loadedShards, type NodeContext } from "./node-context.ts";
import { NodeState } from "../state/node-state.ts";
import { capsuleStatus, inspectCapsule, nodeStatus } from "./node-status.ts";
import { exportReceipt, type ReceiptRequest } from "../ledger/receipt-export.ts";
import type { RecordedProviders } from "../boot/recorded-providers.ts";
import type { RecoveredShard } from "../boot/recovery.ts";
import { type CapsuleReplayOptions, type CapsuleReplayReport, Replays } from "../replay/replays.ts";
import type { TopicControl } from "../topics/topic-control.ts";
import { Resumptions } from "./resumptions.ts";
import { POISON_REST_MS } from "../shard/host-trials.ts";
import { TopicDesk } from "../topics/topic-desk.ts";
import { nameOf } from "../boot/wiring.ts";

/** Why a capsule goes on by itself, by what it was suspended for. */
const RESUMED_BECAUSE: Readonly<Record<string, string>> = {
  CAPSULE_OVER_BUDGET: "BUDGET_RENEWED",
  CAPSULE_POISONED: "POISON_GIVEN_UP",
};
/** For the store to take what waits when the node ends. */
const STOP_PATIENCE_MS = 3_000;

export class NodeRuntime implements Node {
  readonly #context: NodeContext;
  #phase: "running" | "stopping" = "running";
  #bootedAt = 0;
  #broken: unknown;
  readonly state: NodeState;
  /** Capsules that were suspended for killing their hosts. */
  readonly #killers = new Set<string>();
  readonly #resumptions: Resumptions;
  #stopped: Promise<void> | undefined;
  readonly #replays: Replays;
  readonly topics: TopicControl;
  /** One change of a capsule's state at a time. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(context: NodeContext) {
    this.#context = context;
    this.state = new NodeState(context);
    this.topics = new TopicDesk(context);
    this.#resumptions = new Resumptions(context.parts.clock, (id) => this.#resumeByItself(id));
    context.budgets.listen((capsule, error, { suspendedAt }, resumeAfterMs) => {
      this.#giveUp(capsule, error);
      if (resumeAfterMs !== undefined) this.#resumptions.in(resumeAfterMs, capsule.id, suspendedAt);
    });
    this.#replays = new Replays(context, async (capsule, error) => {
      this.#giveUp(capsule, error);
      await this.#changes;
    });
  }

  async activateAll(
    open: OpenShard,
    recovered: ReadonlyMap<string, RecoveredShard>,
    providers: RecordedProviders,
  ): Promise<void> {
    const giveUp = (capsule: Capsule, error: unknown): void => this.#giveUp(capsule, error);
    await activateAll(this.#context, open, recovered, providers, giveUp);
  }

  /** Throws what broke the ledger while the node booted. */
  booted(): void {
    if (this.#broken !== undefined) throw this.#broken;
    this.#bootedAt = this.#context.parts.clock.now();
  }

  /** The ledger is lost to this node: it stops acting and says so. */
  halt(error: unknown): void {
    if (this.#broken !== undefined || this.#phase === "stopping") return;
    this.#broken = error;
    const { watch, parts, board, remote } = this.#context;
    // Before anything else: another node may own what this one would still say something about.
    remote?.close();
    if (!watch.isAbandoned)
      parts.log.error(errorText(error), "the node stops acting: its ledger cannot be written");
    for (const shard of board.shards.values()) void shard.pause();
  }

  // --- what a person asks ------------------------------------------------------------------------------------------

  status(): Promise<NodeStatus> {
    const isStopping = this.#phase === "stopping";
    return nodeStatus(this.#context, { isStopping, bootedAt: this.#bootedAt, broken: this.#broken });
  }

  async inspect(id: string): Promise<Json> {
    return inspectCapsule(this.#context, this.#context.table.get(id), this.#resumptions.dueAt(id));
  }

  async suspend(id: string): Promise<CapsuleStatus> {
    this.#context.watch.assertTaking();
    return this.#change(id, async (capsule) => {
      await this.#context.budgets.read(id);
      await this.#context.table.move(capsule, { type: "suspended", reason: "ASKED" });
      await haltCapsule(this.#context, capsule);
    });
  }

  async resume(id: string): Promise<CapsuleStatus> {
    this.#context.watch.assertTaking();
    return this.#change(id, (capsule) => this.#resume(capsule, "ASKED"));
  }

  async #resume(capsule: Capsule, reason: string): Promise<void> {
    const { table, board, budgets } = this.#context;
    const resumed = { type: "resumed", reason } as const;
    table.assertMovable(capsule, resumed);
    const shards = loadedShards(this.#context, capsule);
    try {
      await board.devices.get(capsule.id)?.start();
      for (const shard of shards) await shard.load();
    } catch (error) {
      // It stays as it was: suspended, with what waits for it.
      await haltCapsule(this.#context, capsule);
      throw error;
    }
    await table.move(capsule, resumed);
    this.#resumptions.forget(capsule.id);
    budgets.renew(capsule.id);
    for (const shard of shards) {
      shard.forgive();
      shard.run();
    }
  }

  /** Unless somebody has done something else with it meanwhile. */
  #resumeByItself(id: string): void {
    const { parts, watch } = this.#context;
    void this.#change(id, async (capsule) => {
      if (this.#phase === "stopping" || watch.isAbandoned) return;
      const reason = RESUMED_BECAUSE[capsule.reason ?? ""];
      if (capsule.state === "suspended" && reason !== undefined) await this.#resume(capsule, reason);
    }).catch((problem: unknown) => {
      parts.log.error({ capsule: id, ...errorText(problem) }, "a capsule could not be resumed");
      this.#resumptions.again(id);
    });
  }

  async unload(id: string): Promise<CapsuleStatus> {
    this.#context.watch.assertTaking();
    return this.#change(id, async (capsule) => {
      this.#assertUnneeded(capsule);
      await this.#context.table.move(capsule, { type: "stopped", reason: "ASKED" });
      await closeCapsule(this.#context, capsule);
    });
  }

  /** Throws `CAPSULE_IN_USE` when policy or an active capsule requires it. */
  #assertUnneeded({ id }: Capsule): void {
    const { parts, table, board } = this.#context;
    const users = table.all().filter(({ id: other, state, manifest }) => {
      if (other === id || (state !== "active" && state !== "suspended")) return false;
      return neededRequirements(manifest).some((one) => board.capabilities.get(nameOf(one))?.provider === id);
    });
    const by = users.map(({ id: user }) => user);
    if (parts.policy.required.includes(id)) by.push("the policy of this node");
    if (by.length > 0) throw kernelErrors.create("CAPSULE_IN_USE", { capsule: id, by: by.join(", ") });
  }

  replay(id: string, options: CapsuleReplayOptions = {}): Promise<CapsuleReplayReport> {
    return this.#replays.run(id, options);
  }

  async exportReceipt(id: string, request: ReceiptRequest): Promise<Uint8Array> {
    return exportReceipt(this.#context, this.#context.table.get(id), request);
  }

  async quarantined(): Promise<readonly QuarantineEntry[]> {
    return this.#context.parts.quarantine.list();
  }

  call(capability: string, method: string, input: Json, timeoutMs: number): Promise<Answer> {
    const stall = this.#context.watch.problem;
    const refused = this.#phase === "stopping" ? kernelErrors.create("NODE_STOPPING") : stall;
    if (refused !== undefined)
      return Promise.resolve({ ok: false, code: refused.code, message: refused.message });
    const kept = this.#keptInQuarantine(capability);
    if (kept !== undefined) return Promise.resolve(kept);
    return this.#context.outside.call(capability, method, input, timeoutMs);
  }

  /** Nobody provides it, and it is named below a capsule that was refused: more cannot be known of one whose manifest may not even be read. */
  #keptInQuarantine(capability: string): Answer | undefined {
    const { board, table } = this.#context;
    if (board.capabilities.has(capability)) return undefined;
    const kept = table.refused().find(({ id }) => `${capability}.`.startsWith(`${id}.`));
    if (kept === undefined) return undefined;
    const { id, code, entry } = kept;
    return refusal("CAPSULE_QUARANTINED", { capsule: id, code, entry });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#stop();
    await this.#stopped;
  }

  async #stop(): Promise<void> {
    const { parts, order, table, control, kernel, watch, remote, snapshots, heads, budgets } = this.#context;
    this.#phase = "stopping";
    budgets.stop();
    this.#resumptions.stop();
    // What the others send from now on waits with them for the next run of this node.
    remote?.close();
    control.endAll();
    await this.#replays.stop();
    await this.state.branches.settled();
    // A store that takes no records must not keep the node from ending.
    const abandon = (): void => watch.abandon(kernelErrors.create("NODE_STOPPING"));
    const cancel = parts.clock.wakeAt(parts.clock.now() + STOP_PATIENCE_MS, abandon);
    if (watch.problems().length > 0) abandon();
    for (const id of [...order].reverse()) {
      const capsule = table.get(id);
      if (capsule.state !== "active" && capsule.state !== "suspended") continue;
      await closeCapsule(this.#context, capsule);
      if (this.#broken === undefined) await table.move(capsule, { type: "stopped", reason: "SHUTDOWN" });
    }
    if (this.#broken === undefined) await kernel.settled();
    if (this.#broken === undefined && !watch.isAbandoned) await heads?.stop();
    heads?.end();
    await snapshots.end(this.#broken === undefined && !watch.isAbandoned);
    await parts.sandbox[Symbol.asyncDispose]();
    await parts.device[Symbol.asyncDispose]();
    await remote?.[Symbol.asyncDispose]();
    cancel();
    await parts.ledger[Symbol.asyncDispose]();
  }

  /** A shard that cannot go on: the capsule is suspended, and its dependents keep waiting. */
  #giveUp(capsule: Capsule, error: unknown): void {
    const { table, kernel, parts, watch } = this.#context;
    const { code, message } = errorText(error);
    if (this.#phase === "stopping" || watch.isAbandoned) return;
    parts.log.error({ capsule: capsule.id, code }, message);
    if (code.startsWith("LEDGER_")) {
      this.halt(error);
      return;
    }
    if (isVnesError(error)) void kernel.record(diagnostic("capsule", capsule.id, error));
    const again = code === "CAPSULE_KEEPS_KILLING" && this.#killers.has(capsule.id);
    if (code === "CAPSULE_KEEPS_KILLING") this.#killers.add(capsule.id);
    if (code === "CAPSULE_POISONED") this.#resumptions.in(POISON_REST_MS, capsule.id);
    void this.#change(capsule.id, async () => {
      // A shard delivers as soon as it has started, and can fail before the capsule as a whole is up.
      await capsule.activation;
      if (capsule.state !== "active" && capsule.state !== "suspended") return;
      const problems = reasonsFrom(error);
      const suspended = { type: "suspended", reason: code } as const;
      // Its host is well, and what it counted goes with it.
      if (code === "CAPSULE_OVER_BUDGET") await this.#context.budgets.read(capsule.id);
      if (capsule.state === "active") await table.move(capsule, suspended, problems);
      await haltCapsule(this.#context, capsule);
      if (!again) return;
      // It was given another chance by hand and did it again: this image is not run here any more.
      await table.move(capsule, { type: "stopped", reason: code }, problems);
      await closeCapsule(this.#context, capsule);
      const image = capsule.image.hash;
      await kernel.record({ type: "denied", capsule: capsule.id, image, reason: message });
    }).catch((problem: unknown) => parts.log.error(errorText(problem), "a capsule could not be suspended"));
  }

  async #change(id: string, change: (capsule: Capsule) => Promise<void>): Promise<CapsuleStatus> {
    const capsule = this.#context.table.get(id);
    const done = this.#changes.then(() => change(capsule));
    this.#changes = done.catch(() => undefined);
    await done;
    return capsuleStatus(this.#context, capsule);
  }
}
