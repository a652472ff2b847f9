/**
 * Runs inside a capsule's isolate, before and around the capsule's bundle. `installPrelude` is handed over as text, so
 * it uses nothing from outside itself.
 *
 * P1. Time and randomness are the turn's: `Date`, `Math.random`, `Intl` default times. The real clock is kept here only, to
 *     end a slice early; a capsule cannot reach it.
 * P2. What differs from run to run and cannot be replaced (shared memory, weak references) is absent; WebAssembly is there only for
 *     our own script that runs a module.
 * P3. It loops over a batch and remembers which turn is running and what is finished, for a host that had to interrupt.
 * P4. Behind a turn that needs keys nothing runs; what the next ones would ask for is looked up all the same, and told in their
 *     place. It is never counted as running: a host that has to interrupt a guess runs the slice again, turn by turn.
 * P5. What comes out is text the kernel judges; a capsule that tampers with the language spoils its own turns only.
 * P6. Nothing is thrown out of here, and no function of it, its arguments or its `this` can be had by what it calls: it is strict.
 */

/** What the host calls. Results are `<count> <stopped 0|1> <JSON array of that many results>`. */
export interface Prelude {
  /** After the bundle ran: takes `capsule.default`. Empty text, or what is wrong. */
  bind(cacheBytes: number, effectBytes: number): string;
  /**
   * Runs turns from `from`, at most `limit`, ending early after `sliceMs`. `text` is empty when it was given before. Texts
   * cross within a list (`COPIED` in `capsule-isolate.ts`).
   */
  run(given: readonly [text: string, from: number, limit: number, sliceMs: number]): readonly [string];
  /** What an interrupted `run` had finished; a third word tells whether a turn was running. */
  partial(): string;
  /** False when the bundle threw. */
  reset(): boolean;
  /** Memory of a module, for a script that runs one. */
  heldBytes(): number;
}

export function installPrelude(runsModule: boolean): Prelude {
  const { parse, stringify } = JSON;
  const { apply, construct } = Reflect;
  const { isArray } = Array;
  const { max, min } = Math;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const RealDate = Date;
  const realNow = Date.now;
  const toText = String;
  const MAX_CONSOLE_LINES = 64;
  const MAX_LINE = 2_000;
  /** Results that leave at once: far below what a message may hold, so that a batch of large turns leaves in several. */
  const MAX_SLICE_CHARS = 262_144;
  /** Of them, in one line: the kernel reads a line at once that takes 32 KiB at most, and longer ones much more slowly in pieces. */
  const MAX_LINE_CHARS = 16_384;
  /** Of one result: what goes with it into the same message, in three bytes each, is below what that holds as well. */
  const MAX_RESULT_CHARS = 1_835_008;
  /** Of one that failed: its message is 4,000 characters at most, each written in six when it is no ASCII. The kernel reads no more. */
  const MAX_FAILURE_CHARS = 32_768;
  /** Behind one turn that needs keys: a whole batch of the kernel's. */
  const MAX_GUESSES = 64;
  /** A state that is known but for a key here and there: looking on would cost more than stopping again. */
  const MAX_VAIN_GUESSES = 16;
  const NO_SEED = "0000000000000000";

  let at = 0;
  let seed = NO_SEED;
  let stream: (() => number) | undefined;
  let lines: { level: string; message: string }[] = [];
  let droppedLines = 0;
  let requests: { readonly turn: number; readonly at: number; readonly seed: string }[] = [];
  /** JSON of the results that are finished, with commas between, and how many they are. */
  let told = "";
  let finished = 0;
  let isRunning = false;
  let hasStopped = false;
  let effectBytes = 0;
  /** How many turns to guess for: fewer after a guess that was of no use, for turns whose keys depend on those before. */
  let guesses = MAX_GUESSES;
  let guessed = 0;
  let ranSince = 0;
  let bundle: {
    deliver(request: unknown): {
      readonly kind?: unknown;
      readonly effects?: unknown;
      readonly logs?: unknown;
    };
    foresee?(request: unknown): unknown;
    reset(): void;
    setCacheBytes?(bytes: number): void;
    heldBytes?(): number;
  };

  /** mulberry32 by Tommy Ettinger, apart from the sdk's stream of the same seed. */
  function randomStream(): () => number {
    const high = Number.parseInt(seed.slice(0, 8), 16);
    const low = Number.parseInt(seed.slice(8), 16);
    let state = (Math.imul(high, 0x9e37_79b1) ^ low ^ 0x5bf0_3635) | 0;
    const next = (): number => {
      state = (state + 0x6d2b_79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return (mixed ^ (mixed >>> 14)) >>> 0;
    };
    return () => ((next() >>> 5) * 0x400_0000 + (next() >>> 6)) / 0x20_0000_0000_0000;
  }

  function hide(target: object, name: string, value: unknown): void {
    defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
  }

  function TurnDate(this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined) return new RealDate(at).toString();
    return construct(RealDate, args.length === 0 ? [at] : args, new.target);
  }
  hide(TurnDate, "name", "Date");
  hide(TurnDate, "length", 7);
  hide(TurnDate, "now", () => at);
  hide(TurnDate, "parse", RealDate.parse);
  hide(TurnDate, "UTC", RealDate.UTC);
  defineProperty(TurnDate, "prototype", { value: RealDate.prototype, writable: false });
  hide(RealDate.prototype, "constructor", TurnDate);
  hide(globalThis, "Date", TurnDate);

  hide(Math, "random", () => {
    stream ??= randomStream();
    return stream();
  });

  const format = Intl.DateTimeFormat.prototype;
  const realFormat = getOwnPropertyDescriptor(format, "format")?.get;
  const realParts = format.formatToParts;
  defineProperty(format, "format", {
    configurable: true,
    enumerable: false,
    get(this: Intl.DateTimeFormat) {
      const bound = apply(realFormat as () => (date: unknown) => string, this, []) as (
        date: unknown,
      ) => string;
      return (date?: unknown) => bound(date === undefined ? at : date);
    },
  });
  hide(format, "formatToParts", function (this: Intl.DateTimeFormat, date?: Date | number) {
    return apply(realParts, this, [date === undefined ? at : date]) as Intl.DateTimeFormatPart[];
  });

  const globals = globalThis as unknown as { [name: string]: unknown };
  for (const name of ["SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry"]) {
    delete globals[name];
  }
  if (!runsModule) delete globals["WebAssembly"];
  if (globals["Temporal"] !== undefined) delete (globals["Temporal"] as { Now?: unknown }).Now;

  function say(level: string, values: unknown[]): void {
    if (lines.length >= MAX_CONSOLE_LINES) {
      droppedLines += 1;
      return;
    }
    let message = "";
    for (const value of values) {
      let text: string | undefined;
      try {
        text = typeof value === "string" || value instanceof Error ? toText(value) : stringify(value);
      } catch {
        text = undefined;
      }
      message += `${message === "" ? "" : " "}${text ?? typeof value}`;
      if (message.length > MAX_LINE) break;
    }
    lines.push({ level, message: message.slice(0, MAX_LINE) });
  }
  const levels = { debug: "debug", log: "info", info: "info", warn: "warn", error: "error", trace: "debug" };
  const shown: { [name: string]: unknown } = {};
  for (const [name, level] of Object.entries(levels))
    shown[name] = (...values: unknown[]) => say(level, values);
  hide(globalThis, "console", shown);

  function failed(turn: number, code: string, message: string): string {
    return stringify({ turn, kind: "failed", code, message });
  }

  function utf8Length(text: string): number {
    let length = text.length;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 0x7ff) length += unit >= 0xd800 && unit < 0xe000 ? 1 : 2;
      else if (unit > 0x7f) length += 1;
    }
    return length;
  }

  /** Lines of a log are in no record: the turn counts without them. */
  function resultText(result: ReturnType<typeof bundle.deliver>): string {
    let said = result.logs as typeof lines | undefined;
    if (lines.length > 0 && result.kind === "done") {
      if (droppedLines > 0) {
        lines.push({
          level: "warn",
          message: `${droppedLines} more console lines of this turn were dropped`,
        });
      }
      said = said === undefined ? lines : [...said, ...lines];
    }
    const text = stringify(said === result.logs ? result : { ...result, logs: said });
    if (text.length <= MAX_RESULT_CHARS || said === undefined || result.kind !== "done") return text;
    const message = `${said.length} lines of this turn were dropped, its result has ${text.length} characters`;
    return stringify({ ...result, logs: [{ level: "warn", message }] });
  }

  function runTurn(request: { readonly turn: number; readonly at: number; readonly seed: string }): string {
    at = request.at;
    seed = request.seed;
    stream = undefined;
    lines = [];
    droppedLines = 0;
    const { turn } = request;
    try {
      const result = bundle.deliver(request);
      const text = resultText(result);
      if (text.length * 3 > effectBytes && result.kind === "done") {
        const size = utf8Length(stringify(result.effects));
        if (size > effectBytes) {
          bundle.reset();
          const message = `the effects of the turn take ${size} bytes; at most ${effectBytes} are allowed`;
          return failed(turn, "TURN_EFFECTS_TOO_LARGE", message);
        }
      }
      const most = result.kind === "failed" ? MAX_FAILURE_CHARS : MAX_RESULT_CHARS;
      if (text.length > most) {
        const message = `a result of ${text.length} characters, at most ${most} are read`;
        return failed(turn, "SANDBOX_ANSWER_INVALID", message);
      }
      if (result.kind === "needKeys") hasStopped = true;
      return text;
    } catch {
      // The sdk's engine never throws: this bundle brought its own.
      return failed(turn, "SANDBOX_ANSWER_INVALID", "the capsule's own deliver threw or gave no result");
    }
  }

  /** P4. What stands for the next turn, and whether it names a key. */
  function guess(request: (typeof requests)[number]): readonly [result: string, isVain: boolean] {
    at = request.at;
    seed = request.seed;
    stream = undefined;
    lines = [];
    let keys: unknown;
    try {
      keys = (bundle.foresee?.(request) as { readonly keys?: unknown } | undefined)?.keys;
    } catch {
      keys = undefined;
    }
    const named = isArray(keys) ? keys : [];
    const { turn } = request;
    const text = stringify({ turn, kind: "needKeys", keys: named, ranges: [] });
    if (text.length <= MAX_RESULT_CHARS) return [text, named.length === 0];
    return [stringify({ turn, kind: "needKeys", keys: [], ranges: [] }), true];
  }

  function learnFromGuesses(): void {
    if (guessed > 0) guesses = ranSince > guessed ? min(guesses * 2, MAX_GUESSES) : max(guesses >> 1, 1);
    guessed = 0;
    ranSince = 0;
  }

  function bound(cacheBytes: number, maxEffectBytes: number): string {
    effectBytes = maxEffectBytes;
    const exported = globals["capsule"] as { readonly default?: typeof bundle } | undefined;
    const found = exported?.default;
    if (typeof found?.deliver !== "function" || typeof found.reset !== "function") {
      return "capsule.default is not what capsule({...}) returns";
    }
    bundle = found;
    bundle.setCacheBytes?.(cacheBytes);
    return "";
  }

  function slice(text: string, from: number, limit: number, sliceMs: number): void {
    if (text !== "") requests = parse(text) as typeof requests;
    told = "";
    finished = 0;
    hasStopped = false;
    const startedAt = realNow();
    let vain = 0;
    let lineFrom = 0;
    for (let index = from; index < requests.length && finished < limit; index++) {
      const request = requests[index] as (typeof requests)[number];
      let result: string;
      if (hasStopped) {
        let isVain: boolean;
        [result, isVain] = guess(request);
        vain = isVain ? vain + 1 : 0;
        guessed++;
      } else {
        isRunning = true;
        result = runTurn(request);
        isRunning = false;
        if (hasStopped) learnFromGuesses();
        else ranSince++;
      }
      if (told.length - lineFrom > MAX_LINE_CHARS) {
        told += "]\n[";
        lineFrom = told.length;
      } else if (finished > 0) told += ",";
      told += result;
      finished++;
      if (hasStopped && (bundle.foresee === undefined || guessed >= guesses || vain >= MAX_VAIN_GUESSES))
        break;
      if (told.length > MAX_SLICE_CHARS || realNow() - startedAt >= sliceMs) break;
    }
  }

  // P6: outside, what was thrown would be asked what it is without a deadline.
  return {
    bind(cacheBytes, maxEffectBytes) {
      try {
        return bound(cacheBytes, maxEffectBytes);
      } catch {
        return "capsule.default threw when it was looked at";
      }
    },
    run({ 0: text, 1: from, 2: limit, 3: sliceMs }) {
      try {
        slice(text, from, limit, sliceMs);
      } catch {
        return [""];
      }
      return [`${finished} ${hasStopped ? 1 : 0} [${told}]`];
    },
    partial() {
      return `${finished} ${isRunning ? 1 : 0} [${told}]`;
    },
    reset() {
      try {
        bundle.reset();
        return true;
      } catch {
        return false;
      }
    },
    heldBytes() {
      return bundle.heldBytes?.() ?? 0;
    },
  };
}
