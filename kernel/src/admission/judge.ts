/** The verdict: verified when nothing speaks against the image, otherwise quarantined with everything that does. */
import type { Evidence } from "./evidence.ts";
import type { Verdict } from "./verdict.ts";

export function judge(evidence: Evidence): Verdict {
  const { manifest, receipt, content, signatures, policy, widening } = evidence.findings;
  const reasons = [...manifest, ...receipt, ...content, ...signatures, ...policy, ...widening];
  const { warnings } = evidence;
  return reasons.length === 0 ? { kind: "verified", warnings } : { kind: "quarantined", reasons, warnings };
}
