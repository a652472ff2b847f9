/** What geometry says of a configuration it cannot use; switch on the code. */
import type { ErrorEntry } from "@vnes/sdk/driver";

type Entries = { readonly [code: string]: ErrorEntry };

const entries = {
  GEOMETRY_CONFIG_INVALID: {
    message: "geometry's configuration is wrong at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy:
      'correct capsules.config["vnes.core.geometry"] in the node\'s config.json and run vnes boot again',
    exit: "usage",
  },
} as const satisfies Entries;

/** In the form of every other package's table, for the error reference. */
export const geometryErrors: { readonly entries: Readonly<Record<keyof typeof entries, ErrorEntry>> } = {
  entries,
};
