/**
 * Who provides each capability, as far as a later boot has to know: a driver keeps no records, and a capsule with shards on other
 * nodes keeps them there, so what calls they were given cannot be read here when another capsule has taken their place.
 */
import type { Capabilities } from "../../bus/capabilities.ts";
import type { KernelRecord } from "../../ledger/record.ts";
import type { Fact, KernelShard } from "../node/kernel-shard.ts";

export type ProviderFact = Fact & { readonly type: "provider" };
/** By capability. One that always had its records here has no fact. */
export type RecordedProviders = ReadonlyMap<string, ProviderFact>;

/** One of the facts a kernel's shard kept; the latest of a capability is the one it kept. */
export function noteProvider(recorded: Map<string, ProviderFact>, fact: KernelRecord["fact"]): void {
  if (fact["type"] !== "provider") return;
  const known = fact as unknown as ProviderFact;
  recorded.set(known.capability, known);
}

/**
 * Resolves, before anybody is called, once what is new is a durable fact; with what holds from now on. `recordsOf`: where a capsule
 * that provides something keeps the calls it was given.
 */
export async function recordProviders(
  kernel: Pick<KernelShard, "record">,
  now: number,
  recorded: RecordedProviders,
  capabilities: Capabilities,
  recordsOf: (capsule: string) => ProviderFact["records"],
): Promise<RecordedProviders> {
  const providers = new Map(recorded);
  const news: ProviderFact[] = [];
  for (const { name: capability, provider: capsule } of capabilities.values()) {
    const before = recorded.get(capability);
    const records = recordsOf(capsule);
    if (before === undefined ? records === "here" : isSame(before, capsule, records)) continue;
    const fact = {
      type: "provider",
      capability,
      capsule,
      records,
      former: formerOf(before, capsule, now),
    } as const;
    providers.set(capability, fact);
    news.push(fact);
  }
  await Promise.all(news.map((fact) => kernel.record(fact)));
  return providers;
}

function isSame(before: ProviderFact, capsule: string, records: ProviderFact["records"]): boolean {
  return before.capsule === capsule && before.records === records;
}

/** The last one whose calls cannot be read here, and until when it was given them. */
function formerOf(before: ProviderFact | undefined, capsule: string, now: number): ProviderFact["former"] {
  if (before === undefined) return null;
  const { records } = before;
  // The same one with its shards elsewhere took them along.
  if (records === "here" || (before.capsule === capsule && records === "elsewhere")) return before.former;
  return { capsule: before.capsule, records, until: now };
}
