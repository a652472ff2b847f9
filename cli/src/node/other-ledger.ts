/** A node that is booted with `--bus` once and without it the next time has two ledgers, and each knows nothing of the other. */
import { existsSync } from "node:fs";
import type { NodePaths } from "../paths.ts";

/** What a person should hear who begins on one of them while there is the other; undefined: nothing. */
export function otherLedger(
  { ledger, instance }: Pick<NodePaths, "ledger" | "instance">,
  isOnBus: boolean,
): string | undefined {
  const [isFile, wasOnBus] = [existsSync(ledger), existsSync(instance)];
  // Said once: afterwards both are there, and somebody wants it so.
  if (isFile === wasOnBus || isOnBus === wasOnBus) return undefined;
  return isOnBus
    ? `this node has a ledger of its own, ${ledger}: on the bus it begins anew, and what it kept there stays there`
    : "this node had its ledger on NATS (--bus, or bus in the configuration): without it it begins anew, and what it kept there stays there";
}
