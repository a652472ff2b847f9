/** What the session's owner answers a person when nothing was changed; switch on the code. */
import type { ErrorEntry } from "@vnes/sdk/driver";

type Entries = { readonly [code: string]: ErrorEntry };

const NOTHING_CHANGED = { fault: "user", retry: false } as const;
const LOOK = "look at it as it is now: vnes session show {sessionId}";

const entries = {
  SESSION_UNKNOWN: {
    ...NOTHING_CHANGED,
    message: "no session {sessionId} is kept here",
    remedy: "vnes session list",
    exit: "notFound",
  },
  SESSION_TERMINATED: {
    ...NOTHING_CHANGED,
    message: "session {sessionId} has ended, and TERMINATED is absorbing",
    remedy: "vnes session list",
    exit: "conflict",
  },
  VERSION_CONFLICT: {
    ...NOTHING_CHANGED,
    message: "session {sessionId} is at version {version}, not at the expected one",
    remedy: LOOK,
    exit: "conflict",
  },
  OWNER_MISMATCH: {
    ...NOTHING_CHANGED,
    message: "the session belongs to another key",
    remedy: "vnes session list",
    exit: "policy",
  },
  TRANSITION_ILLEGAL: {
    ...NOTHING_CHANGED,
    message: "session {sessionId} is {state}, and the table has no such transition from there",
    remedy: LOOK,
    exit: "conflict",
  },
} as const satisfies Entries;

export type SessionErrorCode = keyof typeof entries;

/** In the form of every other package's table, for the error reference. */
export const sessionErrors: { readonly entries: Readonly<Record<SessionErrorCode, ErrorEntry>> } = {
  entries,
};

type Details = { readonly [name: string]: string | number | boolean | null };

export function describe(code: SessionErrorCode, details: Details): string {
  return entries[code].message.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
