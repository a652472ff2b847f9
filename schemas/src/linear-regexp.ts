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
  /** By code, of those in a list of fixed length; nearly all texts have no others. */
  readonly ascii: (Row | undefined)[];
  readonly next: Map<number, Row>;
}

const ASCII = 128;

class Automaton implements LinearRegExp {
  readonly #pattern: string;
  readonly #states: readonly State[];
  readonly #entry: number;
  readonly #rows = new Map<string, Row>();
  #first: Row;

  constructor(pattern: string, states: readonly State[], entry: number) {
    this.#pattern = pattern;
    this.#states = states;
    this.#entry = entry;
    this.#first = this.#row([entry], true);
  }

  toString(): string {
    return `/${this.#pattern}/u`;
  }

  test(text: string): boolean {
    let row = this.#first;
    for (let at = 0; at < text.length; at++) {
      if (row.matched) return true;
      const unit = text.charCodeAt(at);
      if (unit < ASCII) {
        row = row.ascii[unit] ?? this.#advance(row, unit);
        continue;
      }
      const code = text.codePointAt(at) as number;
      if (code > 0xffff) at++;
      row = row.next.get(code) ?? this.#advance(row, code);
    }
    return row.matched || row.matchedAtEnd;
  }

  #advance(row: Row, code: number): Row {
    const reached = row.waiting.flatMap((id) => {
      const state = this.#states[id] as State & { readonly kind: "chars" };
      return state.ranges.some(([low, high]) => low <= code && code <= high) ? [state.out] : [];
    });
    // A search is not anchored: a match may begin at every character.
    const next = this.#row([...reached, this.#entry], false);
    if (code < ASCII) row.ascii[code] = next;
    else if (row.next.size < MAX_CACHED) row.next.set(code, next);
    return next;
  }

  #row(from: readonly number[], atStart: boolean): Row {
    const plain = this.#close(from, atStart, false);
    const key = `${atStart ? "^" : ""}${plain.waiting.join(",")}:${plain.matched ? 1 : 0}`;
    // What is reached only at the end depends on the assertions passed, so it is part of the key.
    const matchedAtEnd = plain.matched || this.#close(from, atStart, true).matched;
    const full = `${key}${matchedAtEnd ? 1 : 0}`;
    const known = this.#rows.get(full);
    if (known !== undefined) return known;
    if (this.#rows.size >= MAX_CACHED) {
      // Rows hold each other, so dropping the table is not enough: the first row must forget its successors too.
      this.#rows.clear();
      this.#first?.next.clear();
      this.#first?.ascii.fill(undefined);
    }
    const ascii = Array.from<Row | undefined>({ length: ASCII });
    const row: Row = { ...plain, matchedAtEnd, ascii, next: new Map() };
    this.#rows.set(full, row);
    return row;
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
