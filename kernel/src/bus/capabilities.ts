/** The capabilities of a node: who provides each, and the schemas its methods are checked against, both ways. */
import type { Json, JsonObject } from "@vnes/schemas";
import type { SchemaCheck } from "./topics.ts";

/** What recovery does with a call to a driver that was not answered before the crash. */
export type EffectClass = "idempotent" | "at_most_once";

export interface Method {
  readonly input: SchemaCheck;
  readonly output: SchemaCheck;
  /** JSON pointer into the input that picks the provider's shard (`x_shard_key`); absent: the first shard. */
  readonly shardKey: string | undefined;
  /** Of a driver's method (`x_effect`); absent: `at_most_once`. */
  readonly effect: EffectClass;
}

export interface Capability {
  readonly name: string;
  readonly provider: string;
  readonly methods: ReadonlyMap<string, Method>;
  /** Who else here provides the name. Then nobody requires it (B3), and whoever asks from outside is told to choose. */
  readonly others: readonly Capability[];
}

export type Capabilities = ReadonlyMap<string, Capability>;

/** What one capsule provides under this name; undefined: nothing. */
export function providedBy(found: Capability | undefined, capsule: string): Capability | undefined {
  return found?.provider === capsule ? found : found?.others.find(({ provider }) => provider === capsule);
}

const INPUT = ".input";
const OUTPUT = ".output";

/**
 * Reads the methods of one capability from `spec/schema.json` of its provider: `$defs["<capability>.<method>.input"]`
 * and `.output`. A method without an output definition may answer anything.
 */
export function readMethods(
  capability: string,
  schema: Json,
  compile: (schema: Json) => SchemaCheck,
): ReadonlyMap<string, Method> {
  const methods = new Map<string, Method>();
  const defs = asObject(asObject(schema)["$defs"]);
  for (const name of Object.keys(defs).sort()) {
    if (!name.startsWith(`${capability}.`) || !name.endsWith(INPUT)) continue;
    const method = name.slice(capability.length + 1, -INPUT.length);
    // A method name has no dots: what is left of `a.b.input` under capability `a` belongs to capability `a.b`'s kin.
    if (method === "" || method.includes(".")) continue;
    const input = defs[name] as Json;
    const output = defs[`${capability}.${method}${OUTPUT}`];
    methods.set(method, {
      input: compile(withDefs(input, defs)),
      output: output === undefined ? () => [] : compile(withDefs(output, defs)),
      shardKey: annotation(input, "x_shard_key"),
      effect: annotation(input, "x_effect") === "idempotent" ? "idempotent" : "at_most_once",
    });
  }
  return methods;
}

/** Lets `#/$defs/...` references inside a definition resolve once it stands alone. */
function withDefs(schema: Json, defs: JsonObject): Json {
  return JSON.stringify(schema).includes('"#/$defs/') ? { ...asObject(schema), $defs: defs } : schema;
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function annotation(schema: Json, name: string): string | undefined {
  const value = asObject(schema)[name];
  return typeof value === "string" ? value : undefined;
}
