/**
 * JSON as this system accepts it (RFC 8259, made unambiguous): UTF-8, no duplicate keys, no `__proto__` or `toJSON`, no number that
 * loses precision or its sign, bounded in size and depth. Each refusal names the JSON pointer it happened at.
 */
import type { Json } from "./json.ts";

export interface JsonBounds {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

/** Manifests and receipts are kilobytes; a receipt lists every file of an image. */
const DOCUMENT_BOUNDS: JsonBounds = { maxBytes: 4 * 1024 * 1024, maxDepth: 32 };

export type JsonCode =
  | "JSON_NOT_UTF8"
  | "JSON_TOO_LARGE"
  | "JSON_TOO_DEEP"
  | "JSON_SYNTAX"
  | "JSON_DUPLICATE_KEY"
  | "JSON_FORBIDDEN_KEY"
  | "JSON_NUMBER";

export interface JsonProblem {
  readonly code: JsonCode;
  readonly pointer: string;
  readonly message: string;
}

export type StrictJson =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly problem: JsonProblem };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function parseStrictJson(bytes: Uint8Array, bounds: JsonBounds = DOCUMENT_BOUNDS): StrictJson {
  const refuse = (code: JsonCode, message: string): StrictJson => ({
    ok: false,
    problem: { code, pointer: "", message },
  });
  if (bytes.length > bounds.maxBytes) {
    return refuse("JSON_TOO_LARGE", `${bytes.length} bytes; at most ${bounds.maxBytes}`);
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return refuse("JSON_NOT_UTF8", "the bytes are not UTF-8");
  }
  try {
    return { ok: true, value: new Reader(text, bounds.maxDepth).document() };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problem: error.problem };
    throw error;
  }
}

class Refusal extends Error {
  readonly problem: JsonProblem;

  constructor(problem: JsonProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint: control characters are exactly what a JSON string may not hold
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** `__proto__` changes an object instead of a field; `toJSON` makes serialisers call it, or leave the rest unsorted. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "toJSON"]);

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #path: string[] = [];
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): Json {
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#syntax("nothing may follow the value");
    return value;
  }

  #value(): Json {
    this.#space();
    const first = this.#text[this.#at];
    if (first === "{") return this.#object();
    if (first === "[") return this.#array();
    if (first === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.#number();
  }

  #object(): Json {
    const entries = new Map<string, Json>();
    this.#enter();
    this.#space();
    if (this.#text[this.#at] === "}") this.#at++;
    else {
      do {
        this.#space();
        if (this.#text[this.#at] !== '"') this.#syntax("a key in quotes was expected");
        const key = this.#string();
        this.#path.push(key);
        if (FORBIDDEN_KEYS.has(key)) this.#refuse("JSON_FORBIDDEN_KEY", `the key ${key} is not allowed`);
        if (entries.has(key))
          this.#refuse("JSON_DUPLICATE_KEY", `the key ${JSON.stringify(key)} stands here twice`);
        this.#space();
        if (this.#text[this.#at++] !== ":") this.#syntax("a colon was expected");
        entries.set(key, this.#value());
        this.#path.pop();
      } while (this.#more("}"));
    }
    this.#depth--;
    return Object.fromEntries(entries);
  }

  #array(): Json {
    const items: Json[] = [];
    this.#enter();
    this.#space();
    if (this.#text[this.#at] === "]") this.#at++;
    else {
      do {
        this.#path.push(String(items.length));
        items.push(this.#value());
        this.#path.pop();
      } while (this.#more("]"));
    }
    this.#depth--;
    return items;
  }

  #depth = 0;

  #enter(): void {
    this.#at++;
    if (++this.#depth > this.#maxDepth) this.#refuse("JSON_TOO_DEEP", `deeper than ${this.#maxDepth} levels`);
  }

  /** True at a comma, false at `close`. */
  #more(close: string): boolean {
    this.#space();
    const next = this.#text[this.#at++];
    if (next === ",") return true;
    if (next === close) return false;
    this.#at--;
    return this.#syntax(`a comma or ${close} was expected`);
  }

  #string(): string {
    STRING.lastIndex = this.#at;
    const match = STRING.exec(this.#text);
    if (match === null) return this.#syntax("a string is broken");
    this.#at = STRING.lastIndex;
    const value = JSON.parse(match[0]) as string;
    if (!value.isWellFormed()) this.#refuse("JSON_SYNTAX", "a string holds half a surrogate pair");
    return value;
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) return this.#syntax("a value was expected");
    this.#at = NUMBER.lastIndex;
    const value = Number(match[0]);
    if (!Number.isFinite(value)) this.#refuse("JSON_NUMBER", "the number is too large");
    if (Object.is(value, -0)) this.#refuse("JSON_NUMBER", "-0 is not allowed");
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.#refuse("JSON_NUMBER", "a whole number beyond 2^53 loses digits; write it as a string");
    }
    return value;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #syntax(expected: string): never {
    const before = this.#text.slice(0, this.#at).split("\n");
    const column = (before.at(-1) ?? "").length + 1;
    return this.#refuse("JSON_SYNTAX", `${expected} at line ${before.length}, column ${column}`);
  }

  #refuse(code: JsonCode, message: string): never {
    throw new Refusal({ code, pointer: pointerOf(this.#path), message });
  }
}

/** The value a pointer (RFC 6901) names, or undefined. */
export function atPointer(value: Json, pointer: string): Json | undefined {
  if (pointer === "") return value;
  if (!pointer.startsWith("/")) return undefined;
  let here: Json | undefined = value;
  for (const part of pointer.slice(1).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as { readonly [key: string]: Json })[key];
  }
  return here;
}

/** RFC 6901. */
export function pointerOf(path: readonly string[]): string {
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
