/**
 * Signs the heads of a node's shards: at intervals, and at once where something happened that somebody may ask about later
 * (a capsule came up, went down, was refused or diverged). What was signed is a fact in the kernel's own shard.
 *
 * H1. Only a head that is durable is signed.
 * H2. A fact about heads is no reason to sign another: a node in which nothing happens writes nothing.
 */
import type { SignedHead } from "@vnes/schemas";
import { hex } from "../../ledger/chain.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Signer } from "../../ports/signer.ts";
import type { Fact } from "../node/kernel-shard.ts";
import type { NodeParts } from "../node/parts.ts";
import { signHead } from "./receipt-export.ts";
import type { ShardLog } from "./shard-log.ts";

/** A shard that moved has its head signed after so long, or after so many records, whichever comes first. */
const HEAD_INTERVAL_MS = 60_000;
const HEAD_RECORDS = 1_024;
const LOOK_EVERY_MS = 5_000;
/** A signature takes about 50 µs of the kernel's thread; others get their turn after so many. */
const HEADS_IN_A_FACT = 64;

const CRITICAL: ReadonlySet<string> = new Set(["active", "suspended", "unloaded", "quarantined"]);

interface Followed {
  readonly log: ShardLog;
  seq: number;
  at: number;
}

/** Undefined on a node without a key of its own. */
export function followHeads(
  { node, signer, clock }: Pick<NodeParts, "node" | "signer" | "clock">,
  kernel: string,
  record: (fact: Fact) => Promise<void>,
): HeadSigner | undefined {
  return signer === undefined ? undefined : new HeadSigner({ node, signer, clock, kernel, record });
}

export class HeadSigner {
  readonly #node: string;
  readonly #signer: Signer;
  readonly #clock: Clock;
  readonly #kernel: string;
  readonly #record: (fact: Fact) => Promise<void>;
  readonly #shards = new Map<string, Followed>();
  readonly #asked = new Set<string>();
  #cancel: (() => void) | undefined;
  #signing: Promise<void> = Promise.resolve();
  #isRunning = false;

  /** `kernel`: name of the kernel's own shard. */
  constructor(parts: {
    readonly node: string;
    readonly signer: Signer;
    readonly clock: Clock;
    readonly kernel: string;
    record(fact: Fact): Promise<void>;
  }) {
    this.#node = parts.node;
    this.#signer = parts.signer;
    this.#clock = parts.clock;
    this.#kernel = parts.kernel;
    this.#record = (fact) => parts.record(fact);
  }

  add(shard: string, log: ShardLog): void {
    this.#shards.set(shard, { log, seq: log.seq, at: this.#clock.now() });
  }

  /** From now on heads are signed, first of all those that moved while the node booted. */
  start(): void {
    this.#isRunning = true;
    for (const shard of this.#shards.keys()) this.#asked.add(shard);
    this.#look();
  }

  /** The kernel has recorded a fact. */
  recorded(fact: Fact): void {
    const isCritical =
      (fact.type === "lifecycle" && CRITICAL.has(fact.to)) ||
      fact.type === "denied" ||
      fact.type === "diverged";
    if (!isCritical) return;
    this.#asked.add(this.#kernel);
    for (const shard of this.#shards.keys()) {
      if (shard.startsWith(`${fact.capsule}/`)) this.#asked.add(shard);
    }
    if (this.#isRunning) this.#sign();
  }

  /** Signs what is left to sign, and nothing after that. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.end();
    for (const shard of this.#shards.keys()) this.#asked.add(shard);
    this.#sign();
    await this.#signing;
  }

  /** Signs nothing any more: what would keep it is not there. A timer that is left would keep the process. */
  end(): void {
    this.#isRunning = false;
    this.#cancel?.();
  }

  #look(): void {
    this.#sign();
    this.#cancel = this.#clock.wakeAt(this.#clock.now() + LOOK_EVERY_MS, () => this.#look());
  }

  #sign(): void {
    const due = this.#due();
    this.#asked.clear();
    if (due.length > 0) this.#signing = this.#signing.then(() => this.#signAll(due));
  }

  #due(): readonly string[] {
    const now = this.#clock.now();
    return [...this.#shards].flatMap(([shard, { log, seq, at }]) => {
      const moved = log.seq - seq;
      if (moved <= 0) return [];
      const isDue = this.#asked.has(shard) || moved >= HEAD_RECORDS || now - at >= HEAD_INTERVAL_MS;
      return isDue ? [shard] : [];
    });
  }

  async #signAll(shards: readonly string[]): Promise<void> {
    for (let from = 0; from < shards.length; from += HEADS_IN_A_FACT) {
      const heads: SignedHead[] = [];
      for (const shard of shards.slice(from, from + HEADS_IN_A_FACT)) {
        const head = await this.#head(shard);
        if (head !== undefined) heads.push(head);
      }
      if (heads.length === 0) continue;
      await this.#record({ type: "heads", public_key: this.#signer.publicKey, heads });
      const own = this.#shards.get(this.#kernel);
      // H2: whatever else was recorded meanwhile is signed with the next thing that happens.
      if (own !== undefined) own.seq = own.log.seq;
    }
  }

  /** Undefined when the shard did not move after all, or will never be durable. */
  async #head(shard: string): Promise<SignedHead | undefined> {
    const followed = this.#shards.get(shard);
    if (followed === undefined || followed.log.seq <= followed.seq) return undefined;
    const { seq, hash } = followed.log;
    try {
      await followed.log.durable();
    } catch {
      return undefined;
    }
    const at = this.#clock.now();
    followed.seq = seq;
    followed.at = at;
    return await signHead(this.#signer, { node: this.#node, shard, seq, hash: hex(hash), at });
  }
}
