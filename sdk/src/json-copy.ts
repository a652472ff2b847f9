/**
 * A frozen copy of a value, or the place where it is not JSON. Whatever a capsule hands over is copied here, so what
 * it changes later reaches neither its cache nor its effects, and a getter or a proxy is asked once.
 */
import type { Json } from "@vnes/schemas";

/** Deeper is a cycle or a mistake, and would end other parsers' stacks. */
export const MAX_JSON_DEPTH = 64;

export class NotJson extends Error {
  /** JSON pointer to the value that is refused. */
  readonly pointer: string;

  constructor(pointer: string, problem: string) {
    super(problem);
    this.pointer = pointer;
  }
}

export interface JsonCopy {
  readonly value: Json;
  /** About the length of its JSON text, in UTF-16 code units. */
  readonly size: number;
}

/** Throws `NotJson`. */
export function copyJson(value: unknown): JsonCopy {
  const copier = new Copier();
  const copied = copier.copy(value, "", 0);
  return { value: copied, size: copier.size };
}

class Copier {
  size = 0;

  copy(value: unknown, pointer: string, depth: number): Json {
    switch (typeof value) {
      case "string":
        this.size += value.length + 2;
        return value;
      case "boolean":
        this.size += 5;
        return value;
      case "number":
        return this.#number(value, pointer);
      case "object":
        if (value === null) {
          this.size += 4;
          return null;
        }
        if (depth >= MAX_JSON_DEPTH) throw new NotJson(pointer, `nested deeper than ${MAX_JSON_DEPTH}`);
        return Array.isArray(value)
          ? this.#array(value, pointer, depth)
          : this.#object(value as { readonly [key: string]: unknown }, pointer, depth);
      default:
        throw new NotJson(
          pointer,
          value === undefined ? "undefined is not JSON" : `a ${typeof value} is not JSON`,
        );
    }
  }

  #number(value: number, pointer: string): number {
    if (!Number.isFinite(value)) throw new NotJson(pointer, `${value} is not JSON`);
    if (Object.is(value, -0)) throw new NotJson(pointer, "-0 does not survive JSON");
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new NotJson(pointer, "integers beyond 2^53 are written as strings");
    }
    this.size += 8;
    return value;
  }

  #array(value: readonly unknown[], pointer: string, depth: number): readonly Json[] {
    const copied: Json[] = [];
    const { length } = value;
    this.size += 2 + length;
    for (let index = 0; index < length; index++) {
      copied.push(this.copy(value[index], `${pointer}/${index}`, depth + 1));
    }
    return Object.freeze(copied);
  }

  #object(value: { readonly [key: string]: unknown }, pointer: string, depth: number): Json {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new NotJson(pointer, "only plain objects, arrays and simple values are JSON");
    }
    const copied: { [key: string]: Json } = {};
    this.size += 2;
    for (const key of Object.keys(value)) {
      // Assigned, it would become the copy's prototype instead of a member.
      if (key === "__proto__") throw new NotJson(pointer, "a member must not be called __proto__");
      copied[key] = this.copy(value[key], `${pointer}/${key}`, depth + 1);
      this.size += key.length + 4;
    }
    return Object.freeze(copied);
  }
}
