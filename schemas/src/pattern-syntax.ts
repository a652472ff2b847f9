/** The part of ECMAScript's regular expressions (flag `u`) that an automaton can match, as a tree. */

/** Code points, both ends included. */
export type CharRange = readonly [low: number, high: number];

export type PatternNode =
  | { readonly kind: "chars"; readonly ranges: readonly CharRange[] }
  | { readonly kind: "assert"; readonly at: "start" | "end" }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly options: readonly PatternNode[] }
  | {
      readonly kind: "repeat";
      readonly body: PatternNode;
      readonly min: number;
      /** Null: without end. */
      readonly max: number | null;
    };

const MAX_PATTERN_LENGTH = 1024;
const MAX_NESTING = 32;
const MAX_REPEAT = 1000;
const LAST = 0x10ffff;

const DIGITS: readonly CharRange[] = [[48, 57]];
const WORD: readonly CharRange[] = [...DIGITS, [65, 90], [95, 95], [97, 122]];
/** WhiteSpace and LineTerminator of ECMA-262. */
const SPACE: readonly CharRange[] = [
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: readonly CharRange[] = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

/** Throws an Error that names what is not supported or not a pattern. */
export function parsePattern(pattern: string): PatternNode {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new Error(
      `the pattern has ${pattern.length} characters, at most ${MAX_PATTERN_LENGTH} are allowed`,
    );
  }
  // V8 says what is no pattern at all; what follows may then take a valid one for granted.
  RegExp(pattern, "u");
  return new PatternReader(pattern).whole();
}

class PatternReader {
  readonly #chars: readonly string[];
  readonly #pattern: string;
  #at = 0;
  #nesting = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#chars = Array.from(pattern);
  }

  whole(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#chars.length) throw this.#unsupported(this.#chars[this.#at] as string);
    return node;
  }

  #choice(): PatternNode {
    const options: PatternNode[] = [this.#sequence()];
    while (this.#chars[this.#at] === "|") {
      this.#at++;
      options.push(this.#sequence());
    }
    return options.length === 1 ? (options[0] as PatternNode) : { kind: "choice", options };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    for (;;) {
      const next = this.#chars[this.#at];
      if (next === undefined || next === "|" || next === ")") return { kind: "sequence", parts };
      parts.push(this.#repeated(this.#atom(next)));
    }
  }

  #atom(first: string): PatternNode {
    this.#at++;
    switch (first) {
      case "^":
        return { kind: "assert", at: "start" };
      case "$":
        return { kind: "assert", at: "end" };
      case ".":
        return { kind: "chars", ranges: invert(LINE_ENDS) };
      case "(":
        return this.#group();
      case "[":
        return { kind: "chars", ranges: this.#class() };
      case "\\":
        return { kind: "chars", ranges: this.#escape() };
      default:
        return { kind: "chars", ranges: [only(first)] };
    }
  }

  #group(): PatternNode {
    if (this.#chars[this.#at] === "?") {
      if (this.#chars[this.#at + 1] !== ":") throw this.#unsupported("(?");
      this.#at += 2;
    }
    if (++this.#nesting > MAX_NESTING) throw new Error(`groups nest deeper than ${MAX_NESTING}`);
    const node = this.#choice();
    this.#nesting--;
    this.#at++;
    return node;
  }

  #repeated(body: PatternNode): PatternNode {
    const rest = this.#chars.slice(this.#at, this.#at + 24).join("");
    const match = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(rest);
    if (match === null) return body;
    this.#at += match[0].length;
    const [text, from, comma, to] = match;
    if (text.startsWith("*")) return { kind: "repeat", body, min: 0, max: null };
    if (text.startsWith("+")) return { kind: "repeat", body, min: 1, max: null };
    if (text.startsWith("?")) return { kind: "repeat", body, min: 0, max: 1 };
    const min = Number(from);
    const max = comma === undefined ? min : to === "" ? null : Number(to);
    if (min > MAX_REPEAT || (max ?? 0) > MAX_REPEAT)
      throw new Error(`${text} repeats more than ${MAX_REPEAT} times`);
    return { kind: "repeat", body, min, max };
  }

  #class(): readonly CharRange[] {
    const negated = this.#chars[this.#at] === "^";
    if (negated) this.#at++;
    const ranges: CharRange[] = [];
    while (this.#chars[this.#at] !== "]") {
      const low = this.#member();
      const isRange = this.#chars[this.#at] === "-" && this.#chars[this.#at + 1] !== "]";
      if (!isRange || low.length !== 1) {
        ranges.push(...low);
        continue;
      }
      this.#at++;
      const high = this.#member();
      ranges.push([(low[0] as CharRange)[0], (high[0] as CharRange)[1]]);
    }
    this.#at++;
    return negated ? invert(ranges) : ranges;
  }

  #member(): readonly CharRange[] {
    const first = this.#chars[this.#at++] as string;
    if (first !== "\\") return [only(first)];
    if (this.#chars[this.#at] !== "b") return this.#escape();
    this.#at++;
    return [[8, 8]];
  }

  /** After the backslash. */
  #escape(): readonly CharRange[] {
    const letter = this.#chars[this.#at++] as string;
    switch (letter) {
      case "d":
        return DIGITS;
      case "D":
        return invert(DIGITS);
      case "w":
        return WORD;
      case "W":
        return invert(WORD);
      case "s":
        return SPACE;
      case "S":
        return invert(SPACE);
      case "u":
      case "x":
        return [this.#code(letter)];
    }
    const control = CONTROLS[letter];
    if (control !== undefined) return [[control, control]];
    if (/[A-Za-z0-9]/.test(letter)) throw this.#unsupported(`\\${letter}`);
    return [only(letter)];
  }

  #code(letter: string): CharRange {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join("");
    const match = (letter === "x" ? /^([0-9a-fA-F]{2})/ : /^(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{4}))/).exec(
      rest,
    );
    if (match === null) throw this.#unsupported(`\\${letter}`);
    this.#at += match[0].length;
    const code = Number.parseInt(match[1] ?? (match[2] as string), 16);
    if (code >= 0xd800 && code <= 0xdfff) throw this.#unsupported("a half surrogate pair");
    return [code, code];
  }

  #unsupported(what: string): Error {
    return new Error(`the pattern ${this.#pattern} uses ${what}, which cannot be matched in linear time`);
  }
}

function only(character: string): CharRange {
  const code = character.codePointAt(0) as number;
  return [code, code];
}

function invert(ranges: readonly CharRange[]): readonly CharRange[] {
  const out: CharRange[] = [];
  let from = 0;
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (low > from) out.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  if (from <= LAST) out.push([from, LAST]);
  return out;
}
