/** What stops a gateway from starting; everything else it says is a reason in a frame (docs/protocol.md). */
import type { ErrorEntry } from "@vnes/sdk/driver";

const entries = {
  GATEWAY_CONFIG_INVALID: {
    message: "the VPN gateway's configuration is wrong at {pointer}: {problem}",
    fault: "user",
    retry: false,
    remedy: 'correct capsules.config["vnes.vpn.gateway"] in the node\'s config.json and run vnes boot again',
    exit: "usage",
  },
} as const satisfies { readonly [code: string]: ErrorEntry };

/** In the form of every other package's table, for the error reference. */
export const gatewayErrors: { readonly entries: Readonly<Record<keyof typeof entries, ErrorEntry>> } = {
  entries,
};
