/**
 * Reads what a person wrote for a capsule under `capsules.config` of the node, once, at its start. The first thing that is wrong ends the
 * start with its place; a field that nobody knows is wrong too, because it was meant to do something.
 */
import type { Json, JsonObject } from "@vnes/schemas";

/** `at` is a JSON pointer to what is read, empty for all of it. */
export interface ConfigReader {
  /** `names`: the fields it may have; left out where they are for people to choose. */
  object(value: Json, at: string, names?: readonly string[]): JsonObject;
  /** The field `name` of `from`, `usual` where it is not given; from `min` to `max`, both included. */
  number(from: JsonObject, name: string, at: string, usual: number, min: number, max: number): number;
  /** The same, without a fraction. */
  whole(from: JsonObject, name: string, at: string, usual: number, min: number, max: number): number;
}

/** `wrong` makes the error that is thrown, under a code of the capsule's own: `ACME_CONFIG_INVALID at /port: ...`. */
export function configReader(wrong: (pointer: string, problem: string) => Error): ConfigReader {
  return {
    object(value, at, names) {
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw wrong(at || "/", "expected an object");
      const unknown = names && Object.keys(value).find((name) => !names.includes(name));
      if (unknown !== undefined) throw wrong(`${at}/${unknown}`, "unknown field");
      return value as JsonObject;
    },
    number(from, name, at, usual, min, max) {
      const value = from[name] ?? usual;
      if (typeof value === "number" && value >= min && value <= max) return value;
      throw wrong(`${at}/${name}`, `expected a number from ${min} to ${max}`);
    },
    whole(from, name, at, usual, min, max) {
      const value = from[name] ?? usual;
      if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
      throw wrong(`${at}/${name}`, `expected a whole number from ${min} to ${max}`);
    },
  };
}
