/** What a node says of its ledger: how much there is, how much a boot would fold. */
import type { Clock } from "../../ports/clock.ts";
import type { NodeStatus } from "../node/node.ts";
import type { NodeContext } from "../node/node-context.ts";
import { keptRecords, type ShardEnd } from "./kept-records.ts";

/** A store that is far away or down must not keep a person waiting for the rest. */
const STORE_PATIENCE_MS = 500;

export async function ledgerStatus({
  board,
  kernel,
  snapshots,
  parts,
}: NodeContext): Promise<NodeStatus["ledger"]> {
  const { ledger, clock } = parts;
  const ends: readonly ShardEnd[] = [
    { shard: kernel.name, lastSeq: kernel.state.seq },
    ...[...board.shards.values()].map(({ name, state }) => ({ shard: name, lastSeq: state.seq })),
    ...board.partitions.values(),
  ];
  const [kept, bytes] = await Promise.all([
    inTime(clock, keptRecords(ledger, ends)),
    inTime(clock, ledger.sizeBytes()),
  ]);
  return {
    records: ends.reduce((sum, { lastSeq }) => sum + lastSeq, 0),
    ...(kept === undefined ? {} : { kept }),
    shards: ends.length,
    sinceSnapshot: snapshots.recordsSince,
    ...(bytes === undefined ? {} : { bytes }),
  };
}

async function inTime(clock: Clock, asked: Promise<number>): Promise<number | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = clock.wakeAt(clock.now() + STORE_PATIENCE_MS, () => late.resolve(undefined));
  const said = await Promise.race([asked.catch(() => undefined), late.promise]);
  cancel();
  return said;
}
