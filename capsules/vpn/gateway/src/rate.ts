/** A token bucket: so many a minute, a quarter of them at once. Pure. */
import type { Bound } from "@vnes/vpn-common";

export type Bucket = { readonly tokens: number; readonly at: number; readonly told: boolean };

export type Taken = {
  readonly bucket: Bucket;
  readonly allowed: boolean;
  /** A refusal is told once; the frames after it are only counted. */
  readonly tell: boolean;
  readonly retryAfterMs: number;
};

const MINUTE_MS = 60_000;

export function burstOf(perMinute: number): number {
  return Math.max(1, Math.floor(perMinute / 4));
}

export function take(bucket: Bucket | undefined, perMinute: number, at: number): Taken {
  const burst = burstOf(perMinute);
  const perToken = MINUTE_MS / perMinute;
  const before = bucket ?? { tokens: burst, at, told: false };
  const tokens = Math.min(burst, before.tokens + (at - before.at) / perToken);
  if (tokens >= 1) {
    return { bucket: { tokens: tokens - 1, at, told: false }, allowed: true, tell: false, retryAfterMs: 0 };
  }
  const retryAfterMs = Math.ceil((1 - tokens) * perToken);
  return { bucket: { tokens, at, told: true }, allowed: false, tell: !before.told, retryAfterMs };
}

/** What a refused frame met: with it, one more than may come at once. */
export function burstMet<N extends string>(name: N, config: { readonly [name in N]: number }): Bound {
  const limit = burstOf(config[name]);
  return { bound: `${name} / 4`, limit, value: limit + 1, unit: "frames" };
}

/** A bucket that has filled up again is the same as none. */
export function isFull(bucket: Bucket, perMinute: number, at: number): boolean {
  return bucket.tokens + ((at - bucket.at) * perMinute) / MINUTE_MS >= burstOf(perMinute);
}
