/**
 * One turn while the module runs it: what was handed to the module and not taken yet, how a call is to end, and how much the
 * module has handed over. Whatever comes from the module is checked here; what is wrong with it ends the turn.
 */
import type { Json, TurnRun } from "@vnes/sdk/adapter";
import type { GuestMemory } from "./guest-memory.ts";
import { decodeUtf8, encodeUtf8, utf8Length } from "./utf8.ts";

/** Of what a turn may hand over: more than its effects may come to, because a key may be written again and again. */
const HANDED_PER_EFFECT_BYTE = 4;

/** How the module ended a call. */
export type Ending = { readonly returned: unknown } | { readonly unhandled: true };

export class GuestTurn {
  readonly run: TurnRun;
  readonly isCall: boolean;
  ending: Ending | undefined;
  readonly #memory: GuestMemory;
  readonly #effectBytes: number;
  #waiting: string | undefined;
  #waitingBytes = 0;
  #handed = 0;

  constructor(run: TurnRun, isCall: boolean, memory: GuestMemory, effectBytes: number) {
    this.run = run;
    this.isCall = isCall;
    this.#memory = memory;
    this.#effectBytes = effectBytes;
  }

  /** Lets `text` wait for `take`; its length in bytes. */
  give(text: string): number {
    this.#waiting = text;
    this.#waitingBytes = utf8Length(text);
    return this.#waitingBytes;
  }

  take(at: number): void {
    if (this.#waiting === undefined) this.invalid("take", "nothing waits to be taken");
    encodeUtf8(this.#waiting, this.bytes(at, this.#waitingBytes, "take"), 0);
    this.#waiting = undefined;
  }

  /** A name or a key. */
  text(at: number, length: number, what: string): string {
    const bytes = this.bytes(at, length, what).length;
    if (bytes > this.#effectBytes)
      this.run.fail("TURN_EFFECTS_TOO_LARGE", `${what}: a text of ${bytes} bytes`);
    return this.#decoded(at, length, what);
  }

  /** Something to be kept or sent. */
  json(at: number, length: number, what: string): Json {
    this.#handed += length >>> 0;
    if (this.#handed > HANDED_PER_EFFECT_BYTE * this.#effectBytes) {
      const message = `the turn handed over ${this.#handed} bytes; its effects may come to ${this.#effectBytes}`;
      this.run.fail("TURN_EFFECTS_TOO_LARGE", message);
    }
    const text = this.#decoded(at, length, what);
    try {
      return JSON.parse(text) as Json;
    } catch {
      return this.invalid(what, "the bytes are no JSON");
    }
  }

  /** The same; undefined for no bytes at all. */
  optional(at: number, length: number, what: string): Json | undefined {
    return length === 0 ? undefined : this.json(at, length, what);
  }

  record(at: number, length: number, what: string): { readonly [name: string]: Json } {
    const value = this.json(at, length, what);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as never;
    return this.invalid(what, "no JSON object");
  }

  end(ending: Ending, what: string): void {
    if (!this.isCall && "returned" in ending) this.invalid(what, "this delivery is no call");
    if (this.ending !== undefined) this.invalid(what, "the turn has been ended before");
    this.ending = ending;
  }

  invalid(what: string, problem: string): never {
    return this.run.fail("TURN_EFFECT_INVALID", `${what}: ${problem}`);
  }

  bytes(at: number, length: number, what: string): Uint8Array {
    return this.#memory.part(at, length) ?? this.invalid(what, outside(at, length));
  }

  #decoded(at: number, length: number, what: string): string {
    return decodeUtf8(this.bytes(at, length, what)) ?? this.invalid(what, "the bytes are no UTF-8");
  }
}

function outside(at: number, length: number): string {
  return `${length >>> 0} bytes at ${at >>> 0} are not all within the module's memory`;
}
