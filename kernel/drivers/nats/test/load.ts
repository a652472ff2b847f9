/** Writers that append as a node does: on a retryable refusal the same records again, on any other they stop. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { LedgerStore } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import { record } from "../../../contracts/ledger-store.ts";

const WRITERS = 8;
const IN_FLIGHT = 16;
const RETRY_MS = 20;

export interface Load {
  /** Records acknowledged so far. */
  readonly acknowledged: number;
  /** Codes of refusals that were tried again, and how often. */
  readonly retried: ReadonlyMap<string, number>;
  /** Codes that ended writers. */
  readonly ended: ReadonlySet<string>;
  acknowledgedAtLeast(count: number): Promise<void>;
  /** Resolves once every writer was refused for good, at the latest after `withinMs`. */
  endsByItself(withinMs: number): Promise<void>;
  stop(): Promise<void>;
  /** Everything acknowledged is in the store, once and in order; more may be, from appends nobody heard of. */
  check(store: LedgerStore): Promise<void>;
}

export function startLoad(store: LedgerStore): Load {
  const heads = Array.from({ length: WRITERS }, () => 0);
  const retried = new Map<string, number>();
  const ended = new Set<string>();
  let acknowledged = 0;
  let isStopped = false;

  /** Windows of appends, as a shard's log has them in flight; what was not kept is issued again, in order. */
  const writer = async (number: number): Promise<void> => {
    const shard = `load.${number}/0`;
    while (!isStopped) {
      const head = heads[number] as number;
      const window = Array.from({ length: IN_FLIGHT }, async (_, index) => {
        const seq = head + index + 1;
        await store.append(shard, seq - 1, [record(`${shard}#${seq}`)]);
        assert.equal(heads[number], seq - 1, "answered in order");
        heads[number] = seq;
        acknowledged++;
      });
      const ends = await Promise.allSettled(window);
      const refusal = ends.find((end) => end.status === "rejected")?.reason as unknown;
      if (refusal === undefined) continue;
      if (!isVnesError(refusal)) throw refusal;
      if (!refusal.retry) {
        ended.add(refusal.code);
        return;
      }
      retried.set(refusal.code, (retried.get(refusal.code) ?? 0) + 1);
      await sleep(RETRY_MS);
    }
  };
  const writers = Array.from({ length: WRITERS }, async (_, number) => await writer(number));

  return {
    get acknowledged() {
      return acknowledged;
    },
    retried,
    ended,
    async acknowledgedAtLeast(count) {
      while (acknowledged < count && ended.size === 0) await sleep(5);
    },
    async endsByItself(withinMs) {
      await Promise.race([Promise.all(writers), sleep(withinMs)]);
    },
    async stop() {
      isStopped = true;
      await Promise.all(writers);
    },
    async check(other) {
      for (const [number, head] of heads.entries()) {
        const shard = `load.${number}/0`;
        const texts = (await other.read(shard, 1, 1_000_000)).map(({ bytes }) =>
          new TextDecoder().decode(bytes),
        );
        assert.ok(texts.length >= head, `${shard}: ${texts.length} of ${head} acknowledged`);
        texts.forEach((text, index) => assert.equal(text, `${shard}#${index + 1}`));
      }
    },
  };
}
