/** `consensus`: questions, their votes, their ends. The question decides; this keeps it and tells how it ended. */
import { capsule, type EventInfo, type Json, type Refusal, refuse, type Turn } from "@vnes/sdk";
import { type ConsensusErrorCode, describe } from "./errors.ts";
import {
  asked,
  expired,
  isSame,
  type Question,
  type Terms,
  tally,
  termsProblem,
  withVote,
} from "./question.ts";
import * as store from "./store.ts";

const DECIDED_TOPIC = "consensus.decided.v1";

/** Events and inputs arrive checked against their schemas. */
type AskInput = Omit<Terms, "subject"> & { readonly subject?: string | null; readonly deadlineMs: number };
type VoteEvent = { readonly question: string; readonly voter: string; readonly option: string };

function ask(turn: Turn, raw: Json, caller: string): Json | Refusal {
  const { deadlineMs, subject = null, ...rest } = raw as unknown as AskInput;
  const terms: Terms = { ...rest, subject };
  const { question } = terms;
  const known = store.find(turn.keys, question);
  if (known !== undefined) {
    if (isSame(known, terms, deadlineMs)) return told(known);
    return refused("CONSENSUS_QUESTION_EXISTS", { question });
  }
  const problem = termsProblem(terms);
  if (problem !== undefined) return refused("CONSENSUS_QUESTION_INVALID", { question, problem });
  if (store.loadCounts(turn.keys).counts.open >= store.MAX_OPEN)
    return refused("CONSENSUS_QUESTIONS_FULL", { limit: store.MAX_OPEN });
  const opened = asked(terms, deadlineMs, caller, turn.at);
  store.save(turn.keys, opened);
  turn.setTimer(`deadline:${question}`, opened.deadlineAt, question);
  return told(opened);
}

function onVote(turn: Turn, event: Json, { seq }: EventInfo): void {
  const { question, voter, option } = event as unknown as VoteEvent;
  const before = store.find(turn.keys, question);
  if (before === undefined) return reject(turn, "CONSENSUS_QUESTION_UNKNOWN", event);
  const { question: after, problem } = withVote(before, { voter, option, seq, at: turn.at });
  if (problem === undefined) store.count(turn.keys, { votes: 1 });
  else reject(turn, problem, event);
  keep(turn, before, after);
}

function reject(turn: Turn, code: Parameters<typeof store.countRejected>[1], event: Json): void {
  store.countRejected(turn.keys, code);
  turn.log("warn", describe(code, event as unknown as VoteEvent), { code });
}

/** Keeps it, and says so when it has just ended. */
function keep(turn: Turn, before: Question, after: Question): void {
  store.save(turn.keys, after);
  if (before.outcome !== null || after.outcome === null) return;
  turn.cancelTimer(`deadline:${after.question}`);
  turn.publish(DECIDED_TOPIC, after.question, told(after));
}

function told(question: Question): Json {
  return { ...question, tally: tally(question) } as unknown as Json;
}

function refused(code: ConsensusErrorCode, details: { readonly [name: string]: string | number }): Refusal {
  return refuse(code, describe(code, details), details);
}

export default capsule({
  events: { "consensus.vote.v1": onVote },
  calls: {
    "consensus.ask": (turn, input, { caller }) => ask(turn, input, caller),
    "consensus.question": (turn, input) => {
      const { question } = input as { readonly question: string };
      const found = store.find(turn.keys, question);
      return found === undefined ? refused("CONSENSUS_QUESTION_UNKNOWN", { question }) : told(found);
    },
    "consensus.list": (turn, input) => {
      const { kind: wanted } = input as { readonly kind?: string };
      const of = (state: "open" | "ended"): readonly Question[] =>
        store.all(turn.keys, state).filter(({ kind }) => wanted === undefined || kind === wanted);
      const { counts, rejected } = store.loadCounts(turn.keys);
      return {
        open: of("open").map(({ question, kind, votes, electorate, deadlineAt }) => {
          return { question, kind, votes: votes.length, electorate: electorate.length, deadlineAt };
        }),
        ended: of("ended").map(({ question, kind, outcome, option, endedAt }) => {
          return { question, kind, outcome, option, endedAt };
        }),
        counters: counts,
        rejected,
      };
    },
  },
  timers: {
    deadline: (turn, question) => {
      const before = store.find(turn.keys, question as string);
      if (before !== undefined) keep(turn, before, expired(before, turn.at));
    },
  },
});
