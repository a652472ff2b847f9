/** A replay of an execution receipt's file: no node, no ledger, a sandbox that lives as long as the replay. */
import { openWalls } from "@vnes/driver-confine";
import { replayReceipt, type ReplayOptions, type ReplayProgress } from "@vnes/kernel";
import { defaultPolicy, nodeDigest, readImage } from "@vnes/registry";
import type { ExecutionReceipt } from "@vnes/schemas";
import type { ReplayAnswer } from "./replay.ts";
import { openSandboxes } from "./sandboxes.ts";

export interface FileReplayOptions {
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** Directory of a capsule to run in place of the images in the file. */
  readonly against: string | undefined;
  readonly unconfinedDev: boolean;
  readonly onProgress: (progress: ReplayProgress) => void;
}

/** The receipt was verified before. */
export async function replayFile(
  receipt: ExecutionReceipt,
  { from, to, against, unconfinedDev, onProgress }: FileReplayOptions,
): Promise<ReplayAnswer> {
  const { platform, wallOf } = await openWalls();
  const other = against === undefined ? undefined : await readImage(against);
  await using sandbox = openSandboxes(wallOf);
  const options: ReplayOptions = {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(other === undefined ? {} : { against: other }),
    onProgress,
  };
  const parts = { sandbox, digest: nodeDigest, policy: defaultPolicy(), platform, unconfinedDev };
  const report = await replayReceipt(receipt, parts, options);
  const told = other && against ? { origin: against, image: other.hash, verified: null, codes: [] } : null;
  return { ...report, against: told };
}
