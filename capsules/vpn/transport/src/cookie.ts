/**
 * Cookies: the responder's memory of a Hello, carried by the initiator. A cookie holds the responder's ephemeral
 * secret, sealed by a key that only this process has, changes every minute and is bound to the initiator's ephemeral
 * and address; until it comes back the responder remembers nothing.
 *
 * C1. A cookie opens only for the address and the ephemeral key it was made for.
 * C2. A cookie older than two minutes never opens.
 * C3. A cookie makes at most one channel. Uses are remembered as long as the cookie could open and never forgotten
 *     earlier: when there is no room, no further cookie is accepted until the key changes.
 */
import type { CryptoPower } from "@vnes/sdk/driver";
import { decodeSealedCookie, encodeSealedCookie, KEY_BYTES } from "./wire.ts";

/** CurveCP's minute. A cookie lives between one and two of them. */
export const MINUTE_MS = 60_000;
/** About what one core answers in a minute, and as many as there can be channels. */
const MAX_USED_COOKIES = 65_536;

export interface CookieJar {
  seal(secret: Uint8Array, initiatorEphemeral: Uint8Array, remote: Uint8Array, now: number): Uint8Array;
  /** Null when it was not made here, for them, within the time. */
  open(
    cookie: Uint8Array,
    initiatorEphemeral: Uint8Array,
    remote: Uint8Array,
    now: number,
  ): { readonly secret: Uint8Array; readonly use: CookieUse } | null;
}

export interface CookieUse {
  /** The Initiate that used it and the channel it made; undefined while unused. */
  readonly used: Use | undefined;
  /** False when there is no room to remember it. */
  mark(use: Use): boolean;
}

interface Use {
  readonly initiateHash: Uint8Array;
  readonly index: number;
}

interface Generation {
  readonly number: number;
  readonly key: Uint8Array;
  readonly used: Map<string, Use>;
}

export function createCookieJar(crypto: CryptoPower, now: number, maxUsed = MAX_USED_COOKIES): CookieJar {
  const fresh = (number: number): Generation => ({
    number,
    key: crypto.random(KEY_BYTES),
    used: new Map(),
  });
  let current = fresh(0);
  let previous: Generation | null = null;
  let since = now;

  const rotate = (at: number) => {
    const minutes = Math.floor((at - since) / MINUTE_MS);
    if (minutes < 1) return;
    const next = fresh((current.number + 1) % 256);
    previous = minutes === 1 ? current : null;
    current = next;
    since += minutes * MINUTE_MS;
  };
  const keyFor = (generation: Generation, ephemeral: Uint8Array, remote: Uint8Array) =>
    crypto.hkdf(generation.key, ephemeral, remote, KEY_BYTES);

  return {
    seal(secret, ephemeral, remote, at) {
      rotate(at);
      const nonce = crypto.random(24);
      const box = crypto.seal(secret, nonce, keyFor(current, ephemeral, remote));
      return encodeSealedCookie({ generation: current.number, nonce, box });
    },
    open(bytes, ephemeral, remote, at) {
      rotate(at);
      const cookie = decodeSealedCookie(bytes);
      const generation = [current, previous].find((one) => one?.number === cookie.generation);
      if (!generation) return null;
      const secret = crypto.open(cookie.box, cookie.nonce, keyFor(generation, ephemeral, remote));
      if (secret === null) return null;
      const name = String.fromCharCode(...cookie.nonce);
      return {
        secret,
        use: {
          used: generation.used.get(name),
          mark(use) {
            if (generation.used.size >= maxUsed) return false;
            generation.used.set(name, use);
            return true;
          },
        },
      };
    },
  };
}
