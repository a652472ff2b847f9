/**
 * Token buckets: how much work others may cause. The table for remotes has a fixed size and is addressed by a keyed
 * hash, so a million strangers cost no more memory than none; remotes that share a slot share its tokens.
 */

export interface Bucket {
  /** Takes one token; false when there is none. */
  take(now: number): boolean;
}

export function createBucket(perSecond: number, burst: number): Bucket {
  let tokens = burst;
  let filledAt = 0;
  return {
    take(now) {
      tokens = Math.min(burst, tokens + (Math.max(0, now - filledAt) * perSecond) / 1000);
      filledAt = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}

const SLOTS = 1024;

export interface RemoteBuckets {
  take(address: string, now: number): boolean;
}

/** `salt` is secret, so that nobody can choose an address that shares a slot with another. */
export function createRemoteBuckets(perSecond: number, burst: number, salt: Uint8Array): RemoteBuckets {
  const tokens = new Float64Array(SLOTS).fill(burst);
  const filledAt = new Float64Array(SLOTS);
  const seed = new DataView(salt.buffer, salt.byteOffset, 8);
  return {
    take(address, now) {
      const slot = hash(address, seed.getUint32(0), seed.getUint32(4)) % SLOTS;
      const elapsed = Math.max(0, now - (filledAt[slot] ?? 0));
      const filled = Math.min(burst, (tokens[slot] ?? 0) + (elapsed * perSecond) / 1000);
      filledAt[slot] = now;
      tokens[slot] = filled < 1 ? filled : filled - 1;
      return filled >= 1;
    },
  };
}

/** Murmur-like mixing with two secret words; it spreads, it does not authenticate. */
function hash(text: string, a: number, b: number): number {
  let h = a;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i) ^ b, 0x5bd1e995);
    h ^= h >>> 15;
  }
  h = Math.imul(h ^ b, 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
