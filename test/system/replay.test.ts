/** Histories recorded through real isolates, run again in real isolates: equal to the last bit, or the first turn named. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { LedgerMemory, MemoryLedgerStore } from "@vnes/driver-memory";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { type CapsuleImage, type LedgerStore, replayShard, type Sandbox } from "@vnes/kernel";
import { chainHash, genesisHash } from "../../kernel/src/ledger/chain.ts";
import { digest } from "../../kernel/test/harness/shard-harness.ts";
import {
  type History,
  imageFrom,
  openLastingSandbox,
  MIRROR,
  record,
  SHARD,
  replayParts,
  SOURCE,
  STEP,
} from "./replay-lab.ts";

const HISTORIES = 20;
const ASKS = 30;
const REPLAYS = 1_000;

let image: CapsuleImage;
let sandbox: Sandbox;
const histories: History[] = [];

before(async () => {
  image = await imageFrom(SOURCE);
  sandbox = await openLastingSandbox(image);
  for (let seed = 1; seed <= HISTORIES; seed++) histories.push(await record(image, seed, ASKS, sandbox));
});
after(() => sandbox[Symbol.asyncDispose]());

test(`${REPLAYS} replays of ${HISTORIES} histories, whole and in part, are equal to the last bit`, async () => {
  let turns = 0;
  for (let run = 0; run < REPLAYS; run++) {
    const history = histories[run % HISTORIES] as History;
    // Whole first, then one range after the other.
    const round = Math.floor(run / HISTORIES);
    const shard = round % 2 === 0 ? SHARD : MIRROR;
    const last = await history.ledger.lastSeq(shard);
    const from = round < 2 ? 1 : 1 + ((round * 7) % last);
    const to = round < 2 ? last : from + ((round * 13) % (last - from + 1));
    const report = await replayShard(replayParts(history, sandbox, shard), { from, to });
    assert.equal(report.difference, null, `history ${run % HISTORIES}, ${shard}, records ${from} to ${to}`);
    assert.equal(report.replayedHash, report.recordedHash);
    if (round < 2) assert.ok(report.turns > 5, `${report.turns} turns`);
    turns += report.turns;
  }
  assert.ok(turns > REPLAYS, `${turns} turns`);
});

test("a turn that needs nothing but its keys is the same in an instance of its own", async () => {
  const history = histories[0] as History;
  const report = await replayShard(replayParts(history, sandbox), { fresh: true });
  assert.equal(report.difference, null);
  assert.ok(report.turns > ASKS);
});

test("a bundle with one constant changed is told by the first turn it changes, the key and both values", async () => {
  const changed = await imageFrom(SOURCE.replace(STEP, "const STEP = 4;"));
  for (const history of histories.slice(0, 5)) {
    const { difference, turns } = await replayShard(replayParts(history, sandbox), { against: changed });
    assert.ok(difference);
    assert.match(difference.key ?? "", /^n\/[abcd]$/);
    assert.equal(difference.pointer, "/effects/0/value");
    assert.equal(difference.image, changed.hash);
    // Found by another way: the first recorded call whose \`by\` is over 7.
    const first = await firstCall(history, ({ by }) => by > 7);
    assert.equal(difference.seq, first.seq);
    assert.equal((difference.replayed as number) - (difference.recorded as number), first.by);
    assert.ok(turns > 0);
  }
});

test("a capsule that remembers between turns is found out by a replay that begins in the middle", async () => {
  const careless = await imageFrom(
    SOURCE.replace(
      'turn.keys.set("n/" + key, now);',
      'turn.keys.set("n/" + key, now); turn.keys.set("log/calls", calls);',
    ),
  );
  const history = await record(careless, 5, ASKS, sandbox);
  const { difference } = await replayShard(replayParts(history, sandbox), {
    from: Math.floor(history.last / 2),
  });
  assert.equal(difference?.key, "log/calls");
});

test("a range that is not there, and an event that is not the one referred to, are refused by name", async () => {
  const history = histories[1] as History;
  const parts = replayParts(history, sandbox, MIRROR);
  const last = await history.ledger.lastSeq(MIRROR);
  for (const range of [{ from: 0 }, { from: last + 1 }, { from: 5, to: 4 }, { to: last + 1 }])
    await assert.rejects(replayShard(parts, range), { code: "REPLAY_RANGE_EMPTY" });
  const { ledger } = history;
  const lying: LedgerStore = new Proxy(ledger, {
    get: (store, name: keyof LedgerStore) => {
      if (name !== "read") return (store[name] as (...args: unknown[]) => unknown).bind(store);
      return async (shard: string, from: number, limit: number) => {
        const page = await store.read(shard, from, limit);
        return shard.startsWith("topic/") ? page.map((one) => ({ ...one, hash: new Uint8Array(32) })) : page;
      };
    },
  });
  await assert.rejects(replayShard({ ...parts, ledger: lying }), { code: "REPLAY_INPUT_MISSING" });
});

test("a record with a right hash that no ledger writes is named, not the turns that cross with it", async () => {
  const history = histories[2] as History;
  const forged = new MemoryLedgerStore(new LedgerMemory());
  let hash = genesisHash(SHARD, digest);
  let changed = 0;
  const records = (await history.ledger.read(SHARD, 1, history.last)).map((stored) => {
    let text = new TextDecoder().decode(stored.bytes);
    if (changed === 0 && stored.seq > 10 && text.includes(`}},"outcome":"ok"`)) {
      changed = stored.seq;
      text = text.replace(`}},"outcome":"ok"`, `}},"more":{"a":{}},"outcome":"ok"`);
    }
    const bytes = new TextEncoder().encode(text);
    hash = chainHash(hash, bytes, digest);
    return { bytes, hash };
  });
  await forged.append(SHARD, 0, records);
  const parts = replayParts({ ...history, ledger: forged }, sandbox);
  const message = new RegExp(`record ${changed} of shard ${SHARD} cannot be read`);
  await assert.rejects(replayShard(parts), { code: "LEDGER_RECORD_INVALID", message });
});

test("a replay that is called off ends, and its host with it", async () => {
  const own = openHostSandbox(isolateExecutor);
  try {
    const abort = new AbortController();
    abort.abort(new Error("enough"));
    await assert.rejects(
      replayShard(replayParts(histories[0] as History, own), { signal: abort.signal }),
      /enough/,
    );
  } finally {
    await own[Symbol.asyncDispose]();
  }
});

async function firstCall(
  { ledger, last }: History,
  wanted: (input: { readonly by: number }) => boolean,
): Promise<{ readonly seq: number; readonly by: number }> {
  for (const { seq, bytes } of await ledger.read("test.ledger/0", 1, last)) {
    const { input } = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly input?: {
        readonly delivery?: {
          readonly kind: string;
          readonly method?: string;
          readonly input: { readonly by: number };
        };
      };
    };
    const delivery = input?.delivery;
    if (delivery?.kind === "call" && delivery.method === "add" && wanted(delivery.input))
      return { seq, by: delivery.input.by * 1 };
  }
  throw new Error("no such call");
}
