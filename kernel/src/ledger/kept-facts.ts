/** The kernel's facts that outlive the records they came in: boot asks for them, and what it asks for must not be trimmed. */
import type { KernelRecord } from "./record.ts";

type KernelFact = KernelRecord["fact"];

/** The latest fact of a name is the one that counts. */
export function keepFact(facts: Map<string, KernelFact>, fact: KernelFact): void {
  const name = keptName(fact);
  if (name !== undefined) facts.set(name, fact);
}

/** Undefined for facts that were only worth telling. */
function keptName({ type, image, topic, capability }: KernelFact): string | undefined {
  if (type === "denied" && typeof image === "string") return `denied/${image}`;
  if (type === "topicDefined" && typeof topic === "string") return `topicDefined/${topic}`;
  if (type === "provider" && typeof capability === "string") return `provider/${capability}`;
  return undefined;
}
