/** What routing answers when it cannot rank; switch on the code. */
import type { ErrorEntry } from "@vnes/sdk/driver";

type Entries = { readonly [code: string]: ErrorEntry };

const entries = {
  ROUTING_CONFIG_INVALID: {
    message: "routing's configuration is wrong at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy: 'correct capsules.config["vnes.core.routing"] in the node\'s config.json and run vnes boot again',
    exit: "usage",
  },
  ROUTING_CANDIDATE_TWICE: {
    message: "two candidates are called {id}",
    fault: "user",
    retry: false,
    remedy: "give every candidate an id of its own",
    exit: "usage",
  },
} as const satisfies Entries;

export type RoutingErrorCode = keyof typeof entries;

/** In the form of every other package's table, for the error reference. */
export const routingErrors: { readonly entries: Readonly<Record<RoutingErrorCode, ErrorEntry>> } = {
  entries,
};

export function describe(code: RoutingErrorCode, details: { readonly [name: string]: string }): string {
  return entries[code].message.replace(/\{(\w+)\}/g, (whole, name: string) => details[name] ?? whole);
}
