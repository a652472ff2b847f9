/** What the client answers a person whose request it did not follow; switch on the code. */
import type { ErrorEntry } from "@vnes/sdk/driver";

type Entries = { readonly [code: string]: ErrorEntry };

const entries = {
  CLIENT_CONFIG_INVALID: {
    message: "the VPN client's configuration is wrong at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy: 'correct capsules.config["vnes.vpn.client"] in the node\'s config.json and run vnes boot again',
    exit: "usage",
  },
  CLIENT_JUMP_REFUSED: {
    message: "no jump now: {why}",
    fault: "user",
    retry: true,
    remedy: "see what the client does and how long it waits: vnes call vpn.client status",
    exit: "conflict",
  },
  CLIENT_PATH_UNKNOWN: {
    message: "there is no candidate path {pathId} to jump to",
    fault: "user",
    retry: false,
    remedy: "name one of the candidates of vnes call vpn.client status",
    exit: "notFound",
  },
  CLIENT_NOT_ENDED: {
    message: "a new session follows the end of the last, and the client is {mode}",
    fault: "user",
    retry: false,
    remedy: "end the session first: vnes session list, then vnes session terminate <session>",
    exit: "conflict",
  },
  CLIENT_NOT_RUNNING: {
    message: "there is nothing to close: the client is {mode}",
    fault: "user",
    retry: false,
    remedy: "vnes session list",
    exit: "conflict",
  },
} as const satisfies Entries;

export type ClientErrorCode = keyof typeof entries;

/** In the form of every other package's table, for the error reference. */
export const clientErrors: { readonly entries: Readonly<Record<ClientErrorCode, ErrorEntry>> } = { entries };

type Details = { readonly [name: string]: string | number | null };

export function describe(code: ClientErrorCode, details: Details): string {
  return entries[code].message.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
