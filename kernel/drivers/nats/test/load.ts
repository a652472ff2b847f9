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

  const append = async (writer: number, seq: number): Promise<boolean> => {
    const shard = `load.${writer}/0`;
    for (;;) {
      try {
        await store.append(shard, seq - 1, [record(`${shard}#${seq}`)]);
        assert.equal(heads[writer], seq - 1, "answered in order");
        heads[writer] = seq;
        acknowledged++;
        return true;
      } catch (error) {
        if (!isVnesError(error)) throw error;
        if (!error.retry) {
          ended.add(error.code);
          return false;
        }
        retried.set(error.code, (retried.get(error.code) ?? 0) + 1);
        await sleep(RETRY_MS);
      }
    }
  };
  /** A window of appends in flight; a retry sends them in the order of their seqs, as timers of equal delay fire. */
  const writer = async (number: number): Promise<void> => {
    const flight: Promise<boolean>[] = [];
    for (let seq = 1; !isStopped; seq++) {
      flight.push(append(number, seq));
      if (flight.length >= IN_FLIGHT && !(await flight.shift())) break;
    }
    await Promise.all(flight);
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
