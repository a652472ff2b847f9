/** Reads what capsules answered and published, as data that may be anything. */
import type { Json, JsonObject } from "@vnes/schemas";

export function object(value: Json | undefined): JsonObject | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

export function text(of: JsonObject | null, name: string): string | null {
  const value = of?.[name];
  return typeof value === "string" ? value : null;
}

export function number(of: JsonObject | null, name: string): number | null {
  const value = of?.[name];
  return typeof value === "number" ? value : null;
}

export function list(of: JsonObject | null, name: string): readonly Json[] {
  const value = of?.[name];
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

/** Those of a list that are objects. */
export function objects(of: JsonObject | null, name: string): readonly JsonObject[] {
  return list(of, name).flatMap((one) => {
    const found = object(one);
    return found === null ? [] : [found];
  });
}

/** Those of a list that are texts. */
export function texts(of: JsonObject | null, name: string): readonly string[] {
  return list(of, name).flatMap((one) => (typeof one === "string" ? [one] : []));
}
