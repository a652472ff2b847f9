/**
 * The keys of this capsule, and the only code that reads and writes them.
 *
 *   open/<question>   Question
 *   ended/<question>  Question
 *   count             Counts
 */
import type { Json, Keys } from "@vnes/sdk";
import type { Outcome, Question, VoteProblem } from "./question.ts";

/** Questions wait for people: more than this at once is a program that asks in circles. */
export const MAX_OPEN = 256;
/** For late votes and for those who look; the topic has them all. The one that ended first gives way. */
export const MAX_ENDED = 256;

export type Counts = {
  readonly open: number;
  readonly ended: number;
  readonly asked: number;
  readonly votes: number;
  readonly evicted: number;
} & { readonly [outcome in Outcome]: number };

type Stored = { readonly counts: Counts; readonly rejected: { readonly [code: string]: number } };

const NONE: Stored = {
  counts: { open: 0, ended: 0, asked: 0, votes: 0, evicted: 0, decided: 0, undecidable: 0, expired: 0 },
  rejected: {},
};

export function loadCounts(keys: Keys): Stored {
  return (keys.get("count") as unknown as Stored | undefined) ?? NONE;
}

export function count(keys: Keys, by: Partial<Counts>): void {
  const { counts, rejected } = loadCounts(keys);
  const next: { [name: string]: number } = { ...counts };
  for (const [name, more] of Object.entries(by)) next[name] = (next[name] ?? 0) + more;
  keys.set("count", { counts: next, rejected });
}

export function countRejected(keys: Keys, code: VoteProblem): void {
  const { counts, rejected } = loadCounts(keys);
  keys.set("count", { counts, rejected: { ...rejected, [code]: (rejected[code] ?? 0) + 1 } });
}

export function find(keys: Keys, question: string): Question | undefined {
  return (keys.get(`open/${question}`) ?? keys.get(`ended/${question}`)) as unknown as Question | undefined;
}

/** By name. */
export function all(keys: Keys, state: "open" | "ended"): readonly Question[] {
  return keys.entries(`${state}/`).map(([, value]) => value as unknown as Question);
}

/** What has just ended moves, and what ended first makes room. */
export function save(keys: Keys, question: Question): void {
  const { question: id, outcome } = question;
  const wasOpen = keys.get(`open/${id}`) !== undefined;
  if (outcome === null) {
    if (!wasOpen) count(keys, { open: 1, asked: 1 });
    keys.set(`open/${id}`, question as unknown as Json);
    return;
  }
  if (wasOpen) {
    keys.delete(`open/${id}`);
    if (loadCounts(keys).counts.ended >= MAX_ENDED) evict(keys);
    count(keys, { open: -1, ended: 1, [outcome]: 1 });
  }
  keys.set(`ended/${id}`, question as unknown as Json);
}

function evict(keys: Keys): void {
  const first = all(keys, "ended").reduce((oldest, one) =>
    (one.endedAt ?? 0) < (oldest.endedAt ?? 0) ? one : oldest,
  );
  keys.delete(`ended/${first.question}`);
  count(keys, { ended: -1, evicted: 1 });
}
