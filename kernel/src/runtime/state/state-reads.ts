/**
 * Answers what one capsule asks of another's keys. Request and answer are data, so that the asker may be on another node.
 *
 * 1. What is told is durable: values are taken from the state as it is, and told once every record they come from is on disk.
 * 2. Whoever may not read is told so by code; there is no answer with less in it.
 * 3. Nothing is told while another node may own the shard, not even to a capsule beside it: that one's own group may still be held.
 */
import {
  type Answer,
  isVnesError,
  type Json,
  type Manifest,
  type Policy,
  type StateRead,
} from "@vnes/schemas";
import type { StateQuery, StateRequest } from "../../ledger/state-request.ts";
import { stateErrors } from "../../state/errors.ts";
import { readPage } from "../../state/read.ts";
import { unsharedRead } from "../../state/read-permission.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import { assertLease } from "../node/lease-guard.ts";
import type { CapsuleShard } from "../shard/capsule-shard.ts";

export interface StateReadsParts {
  readonly ledger: Pick<LedgerStore, "lease">;
  readonly shards: ReadonlyMap<string, CapsuleShard>;
  /** Names of the shards of each logic capsule that is loaded, by slot. */
  readonly slots: ReadonlyMap<string, readonly string[]>;
  readonly policy: Policy;
  manifestOf(capsule: string): Manifest | undefined;
  /** The node that owns the shard, when it is not this one. */
  otherOwner?(shard: string): string | undefined;
}

export class StateReads {
  readonly #parts: StateReadsParts;

  constructor(parts: StateReadsParts) {
    this.#parts = parts;
  }

  /** What a capsule of this node is answered. */
  async answer(request: StateRequest, reader: string): Promise<Answer> {
    return this.answerOther(request, reader).catch(refused);
  }

  /**
   * What a capsule of another node is answered. Rejects with `LEDGER_LEASE_LOST` or `LEDGER_CLAIMED` while another node may
   * own the shard: with no answer it asks again, and the owner of then will know.
   */
  async answerOther(request: StateRequest, reader: string): Promise<Answer> {
    const read = await this.#read(request, reader).catch(refused);
    if ("shard" in read) assertLease(this.#parts.ledger, read.shard);
    return "shard" in read ? { ok: true, value: read as unknown as Json } : read;
  }

  /** Throws `STATE_OWNER_UNKNOWN`, `STATE_SHARD_UNKNOWN` or `STATE_SHARD_ELSEWHERE`. */
  shardOf(capsule: string, slot: number | undefined): CapsuleShard {
    const names = this.#parts.slots.get(capsule);
    if (names === undefined) throw stateErrors.create("STATE_OWNER_UNKNOWN", { capsule });
    const name = slot === undefined && names.length > 1 ? undefined : names[slot ?? 0];
    const shard = name === undefined ? undefined : this.#parts.shards.get(name);
    if (shard !== undefined) return shard;
    const node = name === undefined ? undefined : this.#parts.otherOwner?.(name);
    if (name !== undefined && node !== undefined)
      throw stateErrors.create("STATE_SHARD_ELSEWHERE", { shard: name, node });
    throw stateErrors.create("STATE_SHARD_UNKNOWN", { capsule, shards: names.length, shard: slot ?? null });
  }

  async #read(request: StateRequest, reader: string): Promise<StateRead> {
    const owner = this.#parts.manifestOf(request.capsule);
    const shard = this.shardOf(request.capsule, request.shard);
    const by = { policy: this.#parts.policy, manifest: this.#parts.manifestOf(reader) };
    const unshared = owner === undefined ? undefined : unsharedRead(request, owner, reader, by);
    if (unshared !== undefined) throw unshared;
    return readCommitted(shard, request);
  }
}

/** Rejects with `STATE_UNAVAILABLE` when what it would tell never became durable. */
export async function readCommitted(shard: CapsuleShard, query: StateQuery): Promise<StateRead> {
  const { state } = shard;
  const { seq, at } = state;
  const read = { shard: shard.name, seq, at, ...readPage(state, query) };
  try {
    await shard.committed();
  } catch (cause) {
    throw stateErrors.create("STATE_UNAVAILABLE", { shard: shard.name }, cause);
  }
  return read;
}

/** What has a code is an answer; anything else is a fault of the kernel's own. */
function refused(error: unknown): Extract<Answer, { ok: false }> {
  if (!isVnesError(error)) throw error;
  const { code, message, details } = error;
  return { ok: false, code, message, details: JSON.parse(JSON.stringify(details)) as Json };
}
