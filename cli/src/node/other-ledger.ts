/** A node that is booted with `--bus` once and without it the next time has two ledgers, and each knows nothing of the other. */
import { existsSync } from "node:fs";
import type { NodePaths } from "../paths.ts";

export interface OtherLedger {
  /** A first time on this one is worth a warning; afterwards somebody may want it so, and a forgotten `--bus` looks the same. */
  readonly level: "warn" | "info";
  readonly text: string;
}

/** What a person should hear who boots on one of them while there is the other; undefined: there is no other. */
export function otherLedger(
  { ledger, instance }: Pick<NodePaths, "ledger" | "instance">,
  isOnBus: boolean,
): OtherLedger | undefined {
  const [isFile, wasOnBus] = [existsSync(ledger), existsSync(instance)];
  if (!(isOnBus ? isFile : wasOnBus)) return undefined;
  if (isFile && wasOnBus)
    return {
      level: "info",
      text: isOnBus
        ? `this node goes on with its ledger on NATS; what it kept in ${ledger} is not in it`
        : `this node goes on with its ledger in ${ledger}; what it kept on NATS (--bus, or bus in the configuration) is not in it`,
    };
  return {
    level: "warn",
    text: isOnBus
      ? `this node has a ledger of its own, ${ledger}: on the bus it begins anew, and what it kept there stays there`
      : "this node had its ledger on NATS (--bus, or bus in the configuration): without it it begins anew, and what it kept there stays there",
  };
}
