/**
 * A copy of a value, or the place where it is not JSON. Whatever a capsule hands over is copied here, so what
 * it changes later reaches neither its cache nor its effects, and a getter or a proxy is asked once.
 */
import type { Json } from "@vnes/schemas";

/** Deeper is a cycle or a mistake, and would end other parsers' stacks. */
const MAX_JSON_DEPTH = 64;

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

/** `frozen` for what is kept and read again: nobody can change it then. Throws `NotJson`. */
export function copyJson(value: unknown, frozen: boolean): JsonCopy {
  // Answers and values are often no more than this, and need no copier.
  if (typeof value === "string") return { value, size: value.length + 2 };
  if (typeof value === "number" && isKept(value)) return { value, size: NUMBER_SIZE };
  const copier = new Copier(frozen);
  const copied = copier.copy(value, 0);
  return { value: copied, size: copier.size };
}

const NUMBER_SIZE = 8;

/** As it is; why any other is refused, the copier says. */
function isKept(value: number): boolean {
  return Number.isInteger(value)
    ? Number.isSafeInteger(value) && !Object.is(value, -0)
    : Number.isFinite(value);
}

class Copier {
  size = 0;
  readonly #frozen: boolean;
  /** Names on the way to the value that is being copied; made a pointer only when it is needed. */
  readonly #path: (string | number)[] = [];

  constructor(frozen: boolean) {
    this.#frozen = frozen;
  }

  copy(value: unknown, depth: number): Json {
    switch (typeof value) {
      case "string":
        this.size += value.length + 2;
        return value;
      case "boolean":
        this.size += 5;
        return value;
      case "number":
        return this.#number(value, depth);
      case "object":
        if (value === null) {
          this.size += 4;
          return null;
        }
        if (depth >= MAX_JSON_DEPTH) this.#refuse(depth, `nested deeper than ${MAX_JSON_DEPTH}`);
        return Array.isArray(value)
          ? this.#array(value, depth)
          : this.#object(value as { readonly [key: string]: unknown }, depth);
      default:
        return this.#refuse(
          depth,
          value === undefined ? "undefined is not JSON" : `a ${typeof value} is not JSON`,
        );
    }
  }

  #number(value: number, depth: number): number {
    if (!Number.isFinite(value)) this.#refuse(depth, `${value} is not JSON`);
    if (Object.is(value, -0)) this.#refuse(depth, "-0 does not survive JSON");
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.#refuse(depth, "integers beyond 2^53 are written as strings");
    }
    this.size += NUMBER_SIZE;
    return value;
  }

  #array(value: readonly unknown[], depth: number): readonly Json[] {
    const copied: Json[] = [];
    const { length } = value;
    this.size += 2 + length;
    for (let index = 0; index < length; index++) {
      this.#path[depth] = index;
      copied.push(this.copy(value[index], depth + 1));
    }
    return this.#frozen ? Object.freeze(copied) : copied;
  }

  #object(value: { readonly [key: string]: unknown }, depth: number): Json {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      this.#refuse(depth, "only plain objects, arrays and simple values are JSON");
    }
    const copied: { [key: string]: Json } = {};
    this.size += 2;
    for (const key of Object.keys(value)) {
      // Assigned, it would become the copy's prototype instead of a member.
      if (key === "__proto__") this.#refuse(depth, "a member must not be called __proto__");
      this.#path[depth] = key;
      copied[key] = this.copy(value[key], depth + 1);
      this.size += key.length + 4;
    }
    return this.#frozen ? Object.freeze(copied) : copied;
  }

  #refuse(depth: number, problem: string): never {
    throw new NotJson(
      this.#path
        .slice(0, depth)
        .map((name) => `/${name}`)
        .join(""),
      problem,
    );
  }
}
