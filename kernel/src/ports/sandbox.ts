/**
 * Where capsule code runs. An instance is one shard of one capsule; its only memory is a cache.
 *
 * 1. `deliver` answers every request of the batch, in order, or rejects with `SANDBOX_HOST_DIED`; with `wasIdle` in its details when the
 *    host had died before it heard of them.
 * 2. Once a turn of a batch ends in `needKeys`, the turns behind it in the batch and in batches already sent are not
 *    run: they end in `needKeys`, and the kernel delivers them again in order. A batch that is sent when that answer has
 *    come, and before whoever asked has looked at it, is run: who delivers it again drops the cache first (`reset`). The
 *    keys that such a result of the same batch names are a guess at what the turn will ask for; a sandbox need not make any.
 * 3. A turn that fails leaves the instance able to run the next one.
 * 4. The instance keeps what its turns wrote as a cache, so later turns see it before it is committed;
 *    `reset` drops that cache.
 * 5. `repeat` runs a batch as `deliver` does. It resolves with undefined when every turn ended well and the JSON of the
 *    results is the one expected, byte for byte; with the results otherwise. What is expected does not reach the capsule.
 */
import type { CapsuleLanguage, TrustZone, TurnRequest, TurnResult } from "@vnes/schemas";
import type { CapsuleImage } from "../admission/image.ts";
import type { Confinement } from "../confinement/confinement.ts";

export interface SandboxLimits {
  readonly memoryMb: number;
  /** Deadline of one turn. */
  readonly turnMs: number;
  /** Keys and values cached in the sandbox, in bytes of JSON. */
  readonly cacheBytes: number;
  /** JSON bytes of the effects of one turn. */
  readonly effectBytes: number;
}

export interface SandboxSpec {
  /** `<capsule id>/<n>`. */
  readonly instance: string;
  readonly image: CapsuleImage;
  readonly language: CapsuleLanguage;
  /** What runs, as the manifest's interface of that language says: a path within the image, for Python `module.path:function`. */
  readonly entry: string;
  readonly zone: TrustZone;
  /** Instances of one group share a host. */
  readonly group: string;
  readonly limits: SandboxLimits;
  /** What its host is kept from; absent: a process of its own and nothing more. Only equal ones share a host. */
  readonly confinement?: Confinement;
}

export interface SandboxMeters {
  readonly turns: number;
  readonly failedTurns: number;
  readonly cpuMs: number;
  /** Of the JSON that went in and came out, in UTF-8; 0 where none is made. */
  readonly bytes: number;
  readonly memoryBytes: number;
  readonly host: { readonly group: string; readonly pid: number; readonly memoryBytes: number };
}

/** Turns of which somebody knows already what they come to. Its bytes stay as they are until the promise settles. */
export interface RepeatedBatch {
  /** Numbers of the turns, in order. */
  readonly turns: readonly number[];
  /** UTF-8 of the JSON of their `TurnRequest[]`, without keys and ranges. */
  readonly requests: Uint8Array;
  /** UTF-8 of the JSON of the `TurnResult[]` they are expected to come to. */
  readonly expected: Uint8Array;
}

export interface SandboxInstance {
  /** Rules 1 to 4. */
  deliver(batch: readonly TurnRequest[]): Promise<readonly TurnResult[]>;
  /** Rule 5. For a replay: what is known need not be written, read and judged again. */
  repeat(batch: RepeatedBatch): Promise<readonly TurnResult[] | undefined>;
  /** Rule 4. */
  reset(): Promise<void>;
  /** Since the instance was opened; of its host as it is now. */
  meters(): Promise<SandboxMeters>;
  /**
   * With true, a process that is this instance alone stands still, unless a turn is on its way to it; with false, or with the next
   * turn, it goes on. Absent or without effect where nothing can be stopped by itself.
   */
  rest?(isResting: boolean): void;
  /** Gives it back; a second time does nothing. A host ends with the last of its instances. */
  dispose(): Promise<void>;
}

export interface Sandbox {
  /**
   * Rejects with `SANDBOX_BUNDLE_BROKEN` when the bundle does not load, `SANDBOX_HOST_DIED` when its host dies; with `wasIdle` in its details when
   * that was loading another one, or had died before.
   */
  open(spec: SandboxSpec): Promise<SandboxInstance>;
  [Symbol.asyncDispose](): Promise<void>;
}
