/**
 * A question and its votes: what counts, what is refused, when it ends. Pure.
 *
 * VO1. A voter has one vote: the first. A later one is refused, whether it says the same or not: an answer may be decided by
 *     any vote, and a change of mind after that would change nothing.
 * VO2. At most one option can win: the threshold is more than half of the electorate.
 * VO3. A question ends once: when an option has the threshold and the quorum is there, when no option can have it any more, or at its
 *     deadline. What is due acts first: a vote that comes at the deadline finds a question that has just expired.
 */

export type Terms = {
  readonly question: string;
  /** What it is about, for those who act on the outcome: `quarantine.release`. */
  readonly kind: string;
  /** What exactly, such as the hash of an image. */
  readonly subject: string | null;
  readonly options: readonly string[];
  /** Names of those who may vote. */
  readonly electorate: readonly string[];
  /** Votes, for whatever option, without which nothing is decided. */
  readonly quorum: number;
  /** Votes an option needs. */
  readonly threshold: number;
};

export type Vote = {
  readonly voter: string;
  readonly option: string;
  /** In `consensus.vote.v1`; the record there names the effect that published it. */
  readonly seq: number | null;
  readonly at: number;
};

/** Kept as JSON under `open/` and `ended/`. */
export type Question = Terms & {
  readonly askedBy: string;
  readonly askedAt: number;
  readonly deadlineAt: number;
  readonly votes: readonly Vote[];
  /** Votes that did not count, by code. */
  readonly rejected: { readonly [code: string]: number };
  /** Null while it is open. */
  readonly outcome: Outcome | null;
  /** The option that won, if one did. */
  readonly option: string | null;
  readonly endedAt: number | null;
};

export type Outcome = "decided" | "undecidable" | "expired";

export type VoteProblem =
  | "CONSENSUS_QUESTION_UNKNOWN"
  | "CONSENSUS_VOTE_LATE"
  | "CONSENSUS_VOTE_FOREIGN"
  | "CONSENSUS_VOTE_OPTION_UNKNOWN"
  | "CONSENSUS_VOTE_DOUBLE"
  | "CONSENSUS_VOTE_CHANGED";

/** Why a question cannot be asked like this; undefined when it can. */
export function termsProblem({ options, electorate, quorum, threshold }: Terms): string | undefined {
  if (new Set(options).size < options.length) return "an option is named twice";
  if (new Set(electorate).size < electorate.length) return "a voter is named twice";
  const voters = electorate.length;
  if (quorum > voters) return `the quorum is ${quorum} and there are ${voters} voters`;
  if (threshold > voters) return `the threshold is ${threshold} and there are ${voters} voters`;
  if (threshold * 2 <= voters)
    return `two options could have ${threshold} of ${voters} votes: more than half is needed`;
  return undefined;
}

/** Asked again in the same words, it is the same question: its answer may have been lost. */
export function isSame(question: Question, terms: Terms, deadlineMs: number): boolean {
  const of = ({ kind, subject, options, electorate, quorum, threshold }: Terms): string =>
    JSON.stringify([kind, subject, options, electorate, quorum, threshold]);
  return of(question) === of(terms) && question.deadlineAt - question.askedAt === deadlineMs;
}

export function asked(terms: Terms, deadlineMs: number, askedBy: string, at: number): Question {
  const open = { votes: [], rejected: {}, outcome: null, option: null, endedAt: null };
  return { ...terms, askedBy, askedAt: at, deadlineAt: at + deadlineMs, ...open };
}

/** The question after the vote; whether it counted, and whether it ended the question. */
export function withVote(
  question: Question,
  vote: Vote,
): { readonly question: Question; readonly problem: VoteProblem | undefined } {
  const due = expired(question, vote.at);
  const problem = voteProblem(due, vote);
  if (problem !== undefined) return { question: rejecting(due, problem), problem };
  return { question: settled({ ...due, votes: [...due.votes, vote] }, vote.at), problem };
}

/** As it is at this moment: its deadline may have passed. */
export function expired(question: Question, at: number): Question {
  if (question.outcome !== null || at < question.deadlineAt) return question;
  return { ...question, outcome: "expired", endedAt: at };
}

export function tally({ options, votes }: Pick<Question, "options" | "votes">): readonly {
  readonly option: string;
  readonly votes: number;
}[] {
  return options.map((option) => ({ option, votes: votes.filter((vote) => vote.option === option).length }));
}

function voteProblem(question: Question, { voter, option }: Vote): VoteProblem | undefined {
  if (question.outcome !== null) return "CONSENSUS_VOTE_LATE";
  if (!question.electorate.includes(voter)) return "CONSENSUS_VOTE_FOREIGN";
  const before = question.votes.find((vote) => vote.voter === voter);
  if (before !== undefined)
    return before.option === option ? "CONSENSUS_VOTE_DOUBLE" : "CONSENSUS_VOTE_CHANGED";
  return question.options.includes(option) ? undefined : "CONSENSUS_VOTE_OPTION_UNKNOWN";
}

function rejecting(question: Question, code: VoteProblem): Question {
  const { rejected } = question;
  return { ...question, rejected: { ...rejected, [code]: (rejected[code] ?? 0) + 1 } };
}

function settled(question: Question, at: number): Question {
  const { votes, electorate, quorum, threshold } = question;
  const counts = tally(question);
  const left = electorate.length - votes.length;
  const winner = counts.find((one) => one.votes >= threshold);
  if (winner !== undefined && votes.length >= quorum)
    return { ...question, outcome: "decided", option: winner.option, endedAt: at };
  const reachable = counts.some((one) => one.votes + left >= threshold);
  return reachable ? question : { ...question, outcome: "undecidable", endedAt: at };
}
