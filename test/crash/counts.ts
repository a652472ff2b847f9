/** What one round of ids must look like once the node is quiet. Pure. */

export interface RoundCounts {
  /** Times `crash.intake.add` ran. */
  readonly own: Counts;
  /** Times the end of its call came back. */
  readonly noted: Counts;
  /** Times the tally got it, on either path. */
  readonly topic: Counts;
  readonly call: Counts;
}

type Counts = { readonly [id: string]: number };

export interface RoundFacts {
  readonly sent: ReadonlySet<string>;
  readonly acknowledged: ReadonlySet<string>;
}

export interface RoundProblems {
  /** Will not mend by waiting: counted twice, or never sent. */
  readonly wrong: readonly string[];
  /** Not there yet, or not everywhere yet; wrong when it stays so. */
  readonly missing: readonly string[];
}

const PATHS = ["own", "topic", "call", "noted"] as const;

export function judgeRound({ sent, acknowledged }: RoundFacts, counts: RoundCounts): RoundProblems {
  const wrong: string[] = [];
  const missing: string[] = [];
  for (const path of PATHS) {
    for (const [id, count] of Object.entries(counts[path])) {
      if (count > 1) wrong.push(`${id} was counted ${count} times on the path "${path}"`);
      if (!sent.has(id)) wrong.push(`${id} was counted on the path "${path}" and never sent`);
    }
  }
  for (const id of acknowledged) {
    // Written by the very turn that was acknowledged: waiting cannot bring it back.
    if (counts.own[id] === undefined) wrong.push(`${id} was acknowledged and is lost`);
  }
  for (const id of sent) {
    const absent = PATHS.filter((path) => counts[path][id] === undefined);
    if (absent.length === 0) continue;
    const paths = absent.join(", ");
    if (acknowledged.has(id)) missing.push(`${id} was acknowledged and is missing on: ${paths}`);
    else if (absent.length < PATHS.length) missing.push(`${id} is on some paths and missing on: ${paths}`);
  }
  return { wrong, missing };
}
