/**
 * Runs what a ledger shard recorded again: every delivery into a real isolate, what comes out beside what was recorded.
 * The command for people comes with a later version; the records already hold all it needs.
 */
import { createHash } from "node:crypto";
import type { CapsuleImage, LedgerStore, Sandbox, SandboxInstance } from "@vnes/kernel";
import type { Delivery, Effect, TurnRequest } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import { decodeRecord, type LedgerRecord, type TurnRecord } from "../../kernel/src/ledger/record.ts";

const LIMITS = { memoryMb: 64, turnMs: 2_000, cacheBytes: 8 * 1024 * 1024, effectBytes: 1024 * 1024 };
const PAGE = 1_000;

export interface Replayed {
  readonly turns: number;
  /** sha256 over the effects of every turn, in order. */
  readonly hash: string;
  readonly recordedHash: string;
  /** Seq of the first turn whose effects differ. */
  readonly firstDifference: number | undefined;
}

export interface ReplayOptions {
  readonly ledger: LedgerStore;
  readonly shard: string;
  readonly sandbox: Sandbox;
  readonly imageOf: (hash: string) => Promise<CapsuleImage>;
  /** A new isolate for every turn. */
  readonly fresh: boolean;
  readonly maxTurns: number;
}

export async function replay(options: ReplayOptions): Promise<Replayed> {
  const { ledger, shard, fresh, maxTurns } = options;
  const keys = new KeyTable();
  const hashes = { replayed: createHash("sha256"), recorded: createHash("sha256") };
  let image: CapsuleImage | undefined;
  let instance: SandboxInstance | undefined;
  let turns = 0;
  let firstDifference: number | undefined;
  for await (const record of recordsOf(ledger, shard)) {
    if (record.kind === "activation") image = await options.imageOf(record.image);
    if (record.kind !== "turn" || turns >= maxTurns) continue;
    if (image === undefined) throw new Error(`${shard} has a turn before its activation`);
    turns++;
    if (fresh) {
      await instance?.dispose();
      instance = undefined;
    }
    instance ??= await open(options.sandbox, shard, image);
    const request = {
      turn: turns,
      at: record.at,
      seed: record.seed,
      delivery: await deliveryOf(ledger, record),
    };
    const effects = JSON.stringify(await run(instance, keys, request));
    const recorded = JSON.stringify(record.effects);
    hashes.replayed.update(effects);
    hashes.recorded.update(recorded);
    if (effects !== recorded) firstDifference ??= record.seq;
    keys.apply(record.effects);
  }
  await instance?.dispose();
  const [hash, recordedHash] = [hashes.replayed.digest("hex"), hashes.recorded.digest("hex")];
  return { turns, hash, recordedHash, firstDifference };
}

function open(sandbox: Sandbox, instance: string, image: CapsuleImage): Promise<SandboxInstance> {
  return sandbox.open({
    instance,
    image,
    entry: "impl/main.js",
    zone: "system",
    group: "replay",
    limits: LIMITS,
  });
}

async function run(
  instance: SandboxInstance,
  keys: KeyTable,
  request: TurnRequest,
): Promise<readonly Effect[]> {
  let next = request;
  for (;;) {
    const [result] = await instance.deliver([next]);
    if (result === undefined) throw new Error("no result");
    if (result.kind === "done") return result.effects;
    if (result.kind === "failed") throw new Error(`turn ${request.turn}: ${result.code}: ${result.message}`);
    next = keys.serve(next, result);
  }
}

/** By value, or by reference to an event in another shard of the same ledger. */
async function deliveryOf(ledger: LedgerStore, { input }: TurnRecord): Promise<Delivery> {
  if (input.from !== "topic") return input.delivery;
  const [stored] = await ledger.read(input.shard, input.seq, 1);
  if (stored === undefined) throw new Error(`${input.shard} has no event ${input.seq}`);
  const record = decodeRecord(input.shard, input.seq, stored.bytes);
  if (record.kind !== "event") throw new Error(`${input.shard} ${input.seq} is no event`);
  const [, topic = "", partition = "0"] = input.shard.split("/");
  const { key, event } = record;
  return { kind: "event", topic, partition: Number(partition), seq: input.seq, key, event };
}

async function* recordsOf(ledger: LedgerStore, shard: string): AsyncGenerator<LedgerRecord> {
  for (let from = 1; ; ) {
    const page = await ledger.read(shard, from, PAGE);
    for (const { seq, bytes } of page) yield decodeRecord(shard, seq, bytes);
    if (page.length < PAGE) return;
    from += page.length;
  }
}
