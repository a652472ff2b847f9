/** A replay as the control socket asks for it: with another capsule's directory in place of the image that ran, when named. */
import type { CapsuleImage, CapsuleReplayOptions, CapsuleReplayReport, Node } from "@vnes/kernel";
import type { Json, JsonObject, Policy, TrustDocument } from "@vnes/schemas";

export interface ReplayAnswer extends CapsuleReplayReport {
  /** Null for a plain replay. */
  readonly against: Against | null;
}

interface Against {
  readonly origin: string;
  readonly image: string;
  /**
   * False when admission would refuse it: it was run all the same, in a sandbox of its own, and nothing of it was kept. Null
   * when there is no node, and nobody judged it.
   */
  readonly verified: boolean | null;
  /** Codes of the reasons. */
  readonly codes: readonly string[];
}

export interface ReplayJudges {
  readonly policy: Policy;
  readonly trust: TrustDocument;
}

/** Params were checked by the schema. */
export async function replayFor(
  node: Node,
  judges: ReplayJudges,
  params: JsonObject,
  signal: AbortSignal,
  tell: (progress: Json) => void,
): Promise<Json> {
  const {
    capsule,
    shard,
    from,
    to,
    against: dir,
  } = params as {
    readonly capsule: string;
    readonly shard?: number;
    readonly from?: number;
    readonly to?: number;
    readonly against?: string;
  };
  const other = dir === undefined ? undefined : await readAgainst(dir, judges);
  const options: CapsuleReplayOptions = {
    ...(shard === undefined ? {} : { shard }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(other === undefined ? {} : { against: other.image }),
    signal,
    onProgress: (progress) => tell({ ...progress }),
  };
  const report = await node.replay(capsule, options);
  return { ...report, against: other?.told ?? null } as unknown as Json;
}

async function readAgainst(
  dir: string,
  judges: ReplayJudges,
): Promise<{ readonly image: CapsuleImage; readonly told: Against }> {
  const { verifyCapsule } = await import("@vnes/registry");
  const { image, origin, verdict } = await verifyCapsule(dir, judges);
  const codes = verdict.kind === "verified" ? [] : verdict.reasons.map(({ code }) => code);
  return { image, told: { origin, image: image.hash, verified: verdict.kind === "verified", codes } };
}
