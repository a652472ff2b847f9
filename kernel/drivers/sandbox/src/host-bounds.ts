/** How much a sandbox host may say at once, whatever its language: nothing of it has been judged when it is read. */
import type { HostOptions } from "@vnes/driver-host";
import type { Confinement } from "@vnes/kernel";

const MEGABYTE = 1024 * 1024;
/** Where no confinement says it. Hosts send the results of a batch in pieces far below it. */
const MAX_MESSAGE_MB = 8;
/**
 * Numbers, a name, a reason of 500 characters, each of which may be written in twelve: results are text beside the line. A longer one of nothing
 * but brackets holds up this process for more than a millisecond.
 */
const MAX_LINE_BYTES = 8 * 1024;

export function hostBounds({
  messageMb = MAX_MESSAGE_MB,
}: Partial<Pick<Confinement, "messageMb">> = {}): Pick<HostOptions, "maxMessageBytes" | "maxLineBytes"> {
  return { maxMessageBytes: messageMb * MEGABYTE, maxLineBytes: MAX_LINE_BYTES };
}
