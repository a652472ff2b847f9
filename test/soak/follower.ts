/**
 * Reads what a session store writes while it writes it, and holds every transition to the invariants that can be seen from
 * outside. Bounded by the number of sessions there ever were, not by their transitions.
 *
 * F1. A turn of the store did not fail, and what it published is on the topic once, as published, in the turns' order.
 * F2. Every event follows from the one before of its session (V1 to V5, V9, V10).
 * F3. What a client was told was accepted is on the topic, with that version and epoch.
 */
import assert from "node:assert/strict";
import type { LedgerStore } from "@vnes/kernel";
import type { JsonObject } from "@vnes/schemas";
import { SessionMoves } from "../../capsules/vpn/test/session-check.ts";
import { decodeRecord, type LedgerRecord } from "../../kernel/src/ledger/record.ts";
import { SESSION_TOPIC } from "@vnes/vpn-common";
import { SESSION_SHARD } from "../bench/session-node.ts";
import type { Told } from "./clients.ts";

const TOPIC_SHARD = `topic/${SESSION_TOPIC}/0`;
const PAGE = 512;
/** Events whose answers may be still on their way to a client. */
const MAX_SEEN = 65_536;

export class Follower {
  readonly moves: SessionMoves = new SessionMoves();
  /** Events read. */
  transitions = 0;
  readonly #next = new Map<string, number>();
  /** Published by turns that were read, not yet seen on the topic. */
  readonly #published: { readonly source: string; readonly event: string }[] = [];
  #first = 0;
  /** Told, and not yet seen; by session and version. */
  readonly #told = new Map<string, number>();
  /** Of a version a client was told of only after it was seen. */
  readonly #seen = new Map<string, number>();

  told({ sessionId, version, epoch }: Told): void {
    const name = `${sessionId}:${version}`;
    const seen = this.#seen.get(name);
    if (seen === undefined) this.#told.set(name, epoch);
    else assert.equal(seen, epoch, `F3: ${name} was told with another epoch`);
  }

  /** Everything there is by now. True when there was something. */
  async read(ledger: LedgerStore): Promise<boolean> {
    let read = 0;
    // First the events: what was published is then read up to a later moment.
    const events = await this.#page(ledger, TOPIC_SHARD);
    read += events.length + (await this.#turns(ledger));
    for (const record of events) {
      assert.ok(record.kind === "event", `F1: record ${record.seq} of the topic is a ${record.kind}`);
      const { source } = record;
      const published = this.#published[this.#first++];
      assert.equal(published?.source, `${source.seq}:${source.index}`, "F1: on the topic in another order");
      assert.equal(JSON.stringify(record.event), published.event, "F1: on the topic as published");
      this.#take(record.event as JsonObject);
    }
    this.#published.splice(0, this.#first);
    this.#first = 0;
    return read > 0;
  }

  /** After the store has come to rest. */
  end(): void {
    assert.equal(this.#published.length, 0, "F1: published and never on the topic");
    const [missing] = this.#told.keys();
    assert.equal(missing, undefined, `F3: told of ${missing}, which is not on the topic`);
  }

  /** All of them by now: what published the events read before is among them. */
  async #turns(ledger: LedgerStore): Promise<number> {
    let read = 0;
    for (;;) {
      const page = await this.#page(ledger, SESSION_SHARD);
      read += page.length;
      for (const record of page) {
        if (record.kind !== "turn") continue;
        assert.equal(
          record.outcome,
          "ok",
          `F1: turn ${record.seq} failed: ${JSON.stringify(record.outcome)}`,
        );
        for (const [index, effect] of record.effects.entries())
          if (effect.do === "publish" && effect.topic === SESSION_TOPIC)
            this.#published.push({ source: `${record.seq}:${index}`, event: JSON.stringify(effect.event) });
      }
      if (page.length < PAGE) return read;
    }
  }

  async #page(ledger: LedgerStore, shard: string): Promise<readonly LedgerRecord[]> {
    const next = this.#next.get(shard) ?? 1;
    const records = await ledger.read(shard, next, PAGE);
    this.#next.set(shard, (records.at(-1)?.seq ?? next - 1) + 1);
    return records.map(({ seq, bytes }) => decodeRecord(shard, seq, bytes));
  }

  #take(event: JsonObject): void {
    this.moves.take(event);
    this.transitions++;
    const { sessionId, version, epoch } = event as unknown as Told;
    const name = `${sessionId}:${version}`;
    const told = this.#told.get(name);
    if (told !== undefined) {
      assert.equal(told, epoch, `F3: ${name} was told with another epoch`);
      this.#told.delete(name);
      return;
    }
    // Answers and events leave together: a client that is told late is told soon.
    this.#seen.set(name, epoch);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value as string);
  }
}
