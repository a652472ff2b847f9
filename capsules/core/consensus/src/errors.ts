/** What consensus answers when a question is not taken, and by which codes it counts votes that do not count. */
import type { ErrorEntry } from "@vnes/sdk/driver";

type Entries = { readonly [code: string]: ErrorEntry };

const LOOK = 'vnes call consensus question \'{"question":"{question}"}\'';
const NOT_COUNTED = { fault: "user", retry: false, exit: "conflict", remedy: LOOK } as const;

const entries = {
  CONSENSUS_QUESTION_INVALID: {
    message: "question {question} cannot be asked like this: {problem}",
    fault: "user",
    retry: false,
    remedy: "correct it and ask again",
    exit: "usage",
  },
  CONSENSUS_QUESTION_EXISTS: {
    message: "question {question} was asked before, in other words",
    fault: "user",
    retry: false,
    remedy: "give the new question an id of its own",
    exit: "conflict",
  },
  CONSENSUS_QUESTIONS_FULL: {
    message: "{limit} questions are open, and no more are taken",
    fault: "user",
    retry: true,
    remedy: "wait for one to end: vnes call consensus list '{}'",
    exit: "conflict",
  },
  CONSENSUS_QUESTION_UNKNOWN: {
    message: "there is no question {question} here, or no longer",
    fault: "user",
    retry: false,
    remedy: "vnes call consensus list '{}'; ended ones are on consensus.decided.v1",
    exit: "notFound",
  },
  CONSENSUS_VOTE_LATE: { ...NOT_COUNTED, message: "question {question} has ended" },
  CONSENSUS_VOTE_FOREIGN: { ...NOT_COUNTED, message: "{voter} has no vote on question {question}" },
  CONSENSUS_VOTE_OPTION_UNKNOWN: { ...NOT_COUNTED, message: "{option} is no option of question {question}" },
  CONSENSUS_VOTE_DOUBLE: { ...NOT_COUNTED, message: "{voter} has voted the same on question {question}" },
  CONSENSUS_VOTE_CHANGED: {
    ...NOT_COUNTED,
    message: "{voter} has voted otherwise on question {question}, and the first vote counts",
  },
} as const satisfies Entries;

export type ConsensusErrorCode = keyof typeof entries;

/** In the form of every other package's table, for the error reference. */
export const consensusErrors: { readonly entries: Readonly<Record<ConsensusErrorCode, ErrorEntry>> } = {
  entries,
};

type Details = { readonly [name: string]: string | number };

export function describe(code: ConsensusErrorCode, details: Details): string {
  return entries[code].message.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
