/**
 * Regular expressions that capsules bring along, matched in time linear in the text whatever the pattern: they run in
 * the kernel, and a backtracking engine needs 20 seconds for `^(a|a)*$` and 28 letters.
 *
 * The pattern becomes an automaton (Thompson 1968) that is made deterministic as the text asks for it (RE2's way).
 * 1. Work per character is one table look-up, or at most `MAX_STATES` steps when the table lacks the answer.
 * 2. Memory is bounded: a table of `MAX_CACHED` rows is emptied when it is full.
 * 3. What cannot be matched so (back references, look-around, word boundaries) is refused when compiled.
 */
import { type CharRange, parsePattern, type PatternNode } from "./pattern-syntax.ts";

/** Of the automaton; a bounded repeat counts its body as often as it repeats. */
const MAX_STATES = 2000;
const MAX_CACHED = 512;

export interface LinearRegExp {
  test(text: string): boolean;
  /** Its pattern; ajv tells the patterns of a schema apart by this. */
  toString(): string;
}

type Condition = "any" | "start" | "end";
type State =
  | { readonly kind: "match" }
  | { readonly kind: "fork"; out: number; other: number }
  | { readonly kind: "chars"; readonly ranges: readonly CharRange[]; out: number }
  | { readonly kind: "assert"; readonly at: Condition; out: number };

/** Throws an Error that says what the pattern may not hold. */
export function compileLinearRegExp(pattern: string): LinearRegExp {
  const states: State[] = [{ kind: "match" }];
  const entry = build(parsePattern(pattern), 0, states);
  return new Automaton(pattern, states, entry);
}

/** Adds the states of `node`, which continue at `next`; returns where they begin. */
function build(node: PatternNode, next: number, states: State[]): number {
  const add = (state: State): number => {
    if (states.length >= MAX_STATES) throw new Error(`the pattern needs more than ${MAX_STATES} states`);
    return states.push(state) - 1;
  };
  switch (node.kind) {
    case "chars":
      return add({ kind: "chars", ranges: node.ranges, out: next });
    case "assert":
      return add({ kind: "assert", at: node.at, out: next });
    case "sequence":
      return node.parts.reduceRight((after, part) => build(part, after, states), next);
    case "choice":
      return node.options
        .map((option) => build(option, next, states))
        .reduceRight((other, out) => add({ kind: "fork", out, other }));
    case "repeat": {
      let at = next;
      if (node.max === null) {
        const loop = add({ kind: "fork", out: next, other: next });
        (states[loop] as { out: number }).out = build(node.body, loop, states);
        at = loop;
      } else {
        for (let count = node.min; count < node.max; count++) {
          at = add({ kind: "fork", out: build(node.body, at, states), other: next });
        }
      }
      for (let count = 0; count < node.min; count++) at = build(node.body, at, states);
      return at;
    }
  }
}

/** States that wait for a character, and whether a match is reached here without, or only at the end of the text. */
interface Row {
  readonly waiting: readonly number[];
  readonly matched: boolean;
  readonly matchedAtEnd: boolean;
  /** By code, of those that have no place in the table. */
  readonly next: Map<number, number>;
}

const ASCII = 128;
/** In place of a row. */
const UNKNOWN = -1;
const MATCHED = -2;

class Automaton implements LinearRegExp {
  readonly #pattern: string;
  readonly #states: readonly State[];
  readonly #entry: number;
  /** Of each code below `ASCII`. Nearly all texts have no others. */
  readonly #classes: Uint8Array;
  readonly #classCount: number;
  #rows: Row[] = [];
  readonly #numbers = new Map<string, number>();
  /** By row and class the row behind it: some hundred bytes for a pattern, which stay in the processor's cache. */
  #table = new Int16Array(0);

  constructor(pattern: string, states: readonly State[], entry: number) {
    this.#pattern = pattern;
    this.#states = states;
    this.#entry = entry;
    [this.#classes, this.#classCount] = classesOf(states);
    this.#row([entry], true);
  }

  toString(): string {
    return `/${this.#pattern}/u`;
  }

  test(text: string): boolean {
    const classes = this.#classes;
    const count = this.#classCount;
    let table = this.#table;
    let row = this.#rows[0]?.matched === true ? MATCHED : 0;
    for (let at = 0; at < text.length && row !== MATCHED; at++) {
      const unit = text.charCodeAt(at);
      let next: number;
      if (unit < ASCII) {
        next = table[row * count + (classes[unit] as number)] as number;
        if (next === UNKNOWN) next = this.#advance(row, unit);
      } else {
        const code = text.codePointAt(at) as number;
        if (code > 0xffff) at++;
        next = this.#rows[row]?.next.get(code) ?? this.#advance(row, code);
      }
      row = next;
      table = this.#table;
    }
    return row === MATCHED || this.#rows[row]?.matchedAtEnd === true;
  }

  #advance(from: number, code: number): number {
    const row = this.#rows[from] as Row;
    const reached = row.waiting.flatMap((id) => {
      const { ranges, out } = this.#states[id] as State & { readonly kind: "chars" };
      return isIn(ranges, code) ? [out] : [];
    });
    // A search is not anchored: a match may begin at every character.
    const next = this.#row([...reached, this.#entry], false);
    // The table may have been emptied for it.
    if (this.#rows[from] !== row) return next;
    if (code < ASCII) this.#table[from * this.#classCount + (this.#classes[code] as number)] = next;
    else if (row.next.size < MAX_CACHED) row.next.set(code, next);
    return next;
  }

  /** Its number, or `MATCHED`. */
  #row(from: readonly number[], atStart: boolean): number {
    const plain = this.#close(from, atStart, false);
    if (plain.matched && !atStart) return MATCHED;
    // What is reached only at the end depends on the assertions passed, so it is part of the key.
    const matchedAtEnd = plain.matched || this.#close(from, atStart, true).matched;
    const key = `${atStart ? "^" : ""}${plain.waiting.join(",")}:${matchedAtEnd ? 1 : 0}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#rows.length >= MAX_CACHED) this.#forget();
    const number = this.#rows.push({ ...plain, matchedAtEnd, next: new Map() }) - 1;
    this.#numbers.set(key, number);
    const end = this.#rows.length * this.#classCount;
    if (this.#table.length < end) {
      const larger = new Int16Array(2 * end).fill(UNKNOWN);
      larger.set(this.#table);
      this.#table = larger;
    }
    return number;
  }

  /** All but the first row, which every text begins with. */
  #forget(): void {
    const first = this.#rows[0] as Row;
    this.#rows = [{ ...first, next: new Map() }];
    for (const [key, number] of this.#numbers) if (number > 0) this.#numbers.delete(key);
    this.#table.fill(UNKNOWN);
  }

  #close(from: readonly number[], atStart: boolean, atEnd: boolean): Pick<Row, "waiting" | "matched"> {
    const seen = new Set<number>();
    const work = [...from];
    const waiting: number[] = [];
    let matched = false;
    for (let id = work.pop(); id !== undefined; id = work.pop()) {
      if (seen.has(id)) continue;
      seen.add(id);
      const state = this.#states[id] as State;
      if (state.kind === "match") matched = true;
      else if (state.kind === "chars") waiting.push(id);
      else if (state.kind === "fork") work.push(state.out, state.other);
      else if (state.at === "any" || (state.at === "start" ? atStart : atEnd)) work.push(state.out);
    }
    return { waiting: waiting.sort((a, b) => a - b), matched };
  }
}

/** Of each code in a list of fixed length its class, and how many classes there are. */
function classesOf(states: readonly State[]): readonly [classes: Uint8Array, count: number] {
  const lists = new Set(states.flatMap((state) => (state.kind === "chars" ? [state.ranges] : [])));
  const classes = new Uint8Array(ASCII);
  const known = new Map<string, number>();
  for (let code = 0; code < ASCII; code++) {
    let marks = "";
    for (const ranges of lists) marks += isIn(ranges, code) ? "1" : "0";
    const found = known.get(marks) ?? known.size;
    known.set(marks, found);
    classes[code] = found;
  }
  return [classes, known.size];
}

function isIn(ranges: readonly CharRange[], code: number): boolean {
  return ranges.some(([low, high]) => low <= code && code <= high);
}
