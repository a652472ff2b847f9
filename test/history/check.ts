/** Every check that needs a ledger only: H1 to H7 and H10 to H13. */
import type { Digest } from "@vnes/kernel";
import { checkConsuming } from "./consuming.ts";
import { checkCounting, type CountingKeys } from "./counting.ts";
import { checkKeys } from "./keys.ts";
import { decodeLedger, type LedgerHistory, type StoredLedger } from "./ledger-history.ts";
import type { Problem } from "./problem.ts";
import { checkPublishing } from "./publishing.ts";
import { checkReceiving } from "./receiving.ts";
import { checkTimers } from "./timers.ts";
import type { Topology } from "./topology.ts";
import { checkUnkept, type DistinctTopics } from "./unkept.ts";

export interface LedgerCheck {
  readonly digest: Digest;
  readonly topology: Topology;
  /** Node time by which everything under way had ended; undefined for a run that was cut off. */
  readonly quietAt: number | undefined;
  readonly counting: CountingKeys;
  readonly distinct: DistinctTopics;
}

export function checkLedger(
  stored: StoredLedger,
  { digest, topology, quietAt, counting, distinct }: LedgerCheck,
): { readonly ledger: LedgerHistory; readonly problems: readonly Problem[] } {
  const { ledger, problems } = decodeLedger(stored, digest);
  const quiet = quietAt !== undefined;
  return {
    ledger,
    problems: [
      ...problems,
      ...checkPublishing(ledger, topology, quiet),
      ...checkConsuming(ledger, topology, quiet),
      ...checkReceiving(ledger, quiet),
      ...checkTimers(ledger, quietAt),
      ...checkCounting(ledger, counting),
      ...checkKeys(ledger, quietAt),
      ...checkUnkept(ledger, topology, distinct),
    ],
  };
}
