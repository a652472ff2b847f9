/** What a node says of its ledger: how much there is, how much a boot would fold. */
import type { NodeStatus } from "../node/node.ts";
import type { NodeContext } from "../node/node-context.ts";

/** A store that is far away or down must not keep a person waiting for the rest. */
const SIZE_PATIENCE_MS = 500;

export async function ledgerStatus(context: NodeContext): Promise<NodeStatus["ledger"]> {
  const { board, kernel, snapshots } = context;
  let records = kernel.state.seq;
  for (const { state } of board.shards.values()) records += state.seq;
  for (const { lastSeq } of board.partitions.values()) records += lastSeq;
  const shards = board.shards.size + board.partitions.size + 1;
  const bytes = await size(context);
  const known = { records, shards, sinceSnapshot: snapshots.recordsSince };
  return bytes === undefined ? known : { ...known, bytes };
}

async function size({ parts: { ledger, clock } }: NodeContext): Promise<number | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = clock.wakeAt(clock.now() + SIZE_PATIENCE_MS, () => late.resolve(undefined));
  const said = await Promise.race([ledger.sizeBytes().catch(() => undefined), late.promise]);
  cancel();
  return said;
}
