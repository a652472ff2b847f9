/** A node for benchmarks: as `vnes boot` makes one, but with the capsules in this process. */
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import type { LedgerStore, Node } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import type { Json } from "@vnes/schemas";
import { cryptoRandom } from "../../cli/src/node/crypto-random.ts";
import { SystemClock } from "../../cli/src/node/system-clock.ts";
import { bootTestNode, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";

const CALL_TIMEOUT_MS = 60_000;

export interface BenchNode {
  readonly node: Node;
  readonly ledger: LedgerStore;
}

/** `where`: a SQLite file, or a store, which the node disposes. */
export async function bootBenchNode(
  where: string | LedgerStore,
  capsules: readonly TestCapsule[],
): Promise<BenchNode> {
  const ledger = typeof where === "string" ? await openSqliteLedgerStore({ path: where }) : where;
  const parts = { ledger, clock: new SystemClock(), random: cryptoRandom, digest: nodeDigest };
  const { node } = await bootTestNode({ capsules, parts });
  return { node, ledger };
}

/** Each of `inFlight` callers asks again as soon as it was answered, until `isDone`; resolves to the number of answers. */
export async function callInFlight(
  node: Node,
  inFlight: number,
  [capability, method]: readonly [capability: string, method: string],
  inputOf: (caller: number, nth: number) => Json,
  isDone: (answers: number) => boolean,
): Promise<number> {
  let answers = 0;
  const caller = async (n: number): Promise<void> => {
    for (let nth = 0; !isDone(answers); nth++) {
      const answer = await node.call(capability, method, inputOf(n, nth), CALL_TIMEOUT_MS);
      if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
      answers++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, n) => caller(n)));
  return answers;
}
