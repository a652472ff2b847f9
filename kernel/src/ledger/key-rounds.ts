/**
 * The rounds in which one turn asks for keys: what it was given so far, which goes with each delivery of it, and when that is
 * enough. Asking costs the kernel more than the capsule: a few bytes name what takes millions to write out, and each round
 * writes out what the rounds before were given.
 *
 * KY1. A key is given once to a turn, however often it is asked for, and so is a range.
 * KY2. What was given is of the moment it was asked for. It goes along only while the turn is the next one to run: after another one
 *     it would put what that one wrote back to what it was. Then it is forgotten, and asked for again.
 */
import type { GivenKey, TurnResult, VnesError } from "@vnes/schemas";
import { roughSize } from "../bus/json-size.ts";
import { kernelErrors } from "../errors.ts";
import { type Asked, type KeyState, serveKeys } from "./served-keys.ts";

/** A turn asks for what it misses at once or in a few steps; one that goes on asking would hold its shard for ever. */
const MAX_ROUNDS = 1_000;
/** Characters of JSON at once: what a message to a host holds (64 MiB) when each takes three bytes, and what goes with them. */
const MAX_GIVEN_CHARS = 20 * 1024 * 1024;
/** The same over all rounds: a thousand single keys of half a kilobyte, one after the other. */
const MAX_SENT_CHARS = 256 * 1024 * 1024;
/** What a turn behind it would have crossed for in vain. */
const ROUNDS_IN_COMPANY = 8;
/** Of a key without a value, and of what stands around one. */
const ENTRY_CHARS = 8;

export class KeyRounds {
  #keys: GivenKey[] = [];
  #ranges: string[] = [];
  #names = new Set<string>();
  #rounds = 0;
  #chars = 0;
  #sentChars = 0;

  get keys(): readonly GivenKey[] {
    return this.#keys;
  }

  get ranges(): readonly string[] {
    return this.#ranges;
  }

  /** True for one that has asked so often that turns should not cross behind it any more. */
  get goesAlone(): boolean {
    return this.#rounds > ROUNDS_IN_COMPANY;
  }

  /** One more round. `TURN_KEYS_ENDLESS` or `TURN_KEYS_TOO_LARGE` when the turn is not to be delivered again. */
  serve(state: KeyState, asked: Asked): VnesError | undefined {
    if (this.#rounds >= MAX_ROUNDS) return kernelErrors.create("TURN_KEYS_ENDLESS", { limit: MAX_ROUNDS });
    this.#rounds += 1;
    const { keys, ranges } = serveKeys(state, asked, { names: this.#names, ranges: this.#ranges });
    this.#ranges.push(...ranges);
    // A look at each key for each range is work as well, and nothing that is written out.
    this.#sentChars += ranges.length * state.keys.size;
    this.give(keys);
    this.#sentChars += this.#chars;
    if (this.#chars > MAX_GIVEN_CHARS) return tooLarge("at once", MAX_GIVEN_CHARS);
    return this.#sentChars > MAX_SENT_CHARS ? tooLarge("in all its rounds", MAX_SENT_CHARS) : undefined;
  }

  /** KY2. The rounds are counted on. */
  forget(): void {
    this.#keys = [];
    this.#ranges = [];
    this.#names = new Set();
    this.#chars = 0;
  }

  /** What goes along with what was asked for. */
  give(keys: readonly GivenKey[]): void {
    for (const key of keys) {
      const [name, value] = key;
      if (this.#names.has(name)) continue;
      this.#names.add(name);
      this.#keys.push(key);
      this.#chars += name.length + ENTRY_CHARS;
      if (value !== undefined) this.#chars += roughSize(value, MAX_GIVEN_CHARS);
      // Refused already: the rest need not be measured.
      if (this.#chars > MAX_GIVEN_CHARS) return;
    }
  }
}

function tooLarge(when: string, limit: number): VnesError {
  return kernelErrors.create("TURN_KEYS_TOO_LARGE", { when, limit });
}

/** What stands for the turn then. */
export function failedTurn(
  turn: number,
  { code, message }: VnesError,
): Extract<TurnResult, { kind: "failed" }> {
  return { turn, kind: "failed", code, message };
}
