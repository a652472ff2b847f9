/** The frames of a node's control socket and their checks. Schema: `schemas/control.schema.json`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Ajv2020, ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import type { ExitName } from "./error.ts";
import type { Json, JsonObject } from "./json.ts";

const CONTROL_METHODS = [
  "status",
  "capsules",
  "inspect",
  "suspend",
  "resume",
  "unload",
  "quarantine.list",
  "quarantine.show",
  "call",
  "topic.list",
  "topic.show",
  "topic.read",
  "topic.publish",
  "topic.replay",
  "state.read",
  "state.at",
  "state.history",
  "state.diff",
  "branch.new",
  "branch.list",
  "branch.show",
  "branch.run",
  "branch.diff",
  "branch.discard",
  "replay",
  "replay.look",
  "receipt.export",
] as const;
export type ControlMethod = (typeof CONTROL_METHODS)[number];

export type ControlId = number | string;

export interface ControlRequest {
  readonly id: ControlId;
  /** One of `CONTROL_METHODS`, or a name the node does not know. */
  readonly method: string;
  readonly params?: JsonObject;
}

export interface ControlFailure {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly elsewhere?: true;
  readonly exit: ExitName;
  readonly details: JsonObject;
}

export type ControlResponse =
  | { readonly id: ControlId | null; readonly result: Json }
  | { readonly id: ControlId | null; readonly error: ControlFailure };

/** The first thing that is wrong with a frame. */
export interface ControlProblem {
  readonly pointer: string;
  readonly message: string;
}

export function isControlMethod(method: string): method is ControlMethod {
  return (CONTROL_METHODS as readonly string[]).includes(method);
}

/** Undefined when `frame` is a request; a known method's params still have to be checked. */
export function checkControlRequest(frame: unknown): ControlProblem | undefined {
  return check("request", frame);
}

export function checkControlResponse(frame: unknown): ControlProblem | undefined {
  return check("response", frame);
}

export function checkControlParams(method: ControlMethod, params: unknown): ControlProblem | undefined {
  return check(`params/${method}`, params);
}

export function checkControlResult(method: ControlMethod, result: unknown): ControlProblem | undefined {
  return check(`results/${method}`, result);
}

let ajv: Ajv2020 | undefined;
const compiled = new Map<string, ValidateFunction>();

/** Each part is compiled when it is first needed: a command asks one method and pays for one. */
function check(part: string, value: unknown): ControlProblem | undefined {
  let validate = compiled.get(part);
  if (validate === undefined) {
    if (ajv === undefined) {
      // Loaded at the first frame, so that a command that sends none does not pay for it.
      const loaded = createRequire(import.meta.url)("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js");
      ajv = new loaded.Ajv2020({
        strict: true,
        strictTypes: false,
        strictRequired: false,
        meta: false,
        validateSchema: false,
      });
      const file = new URL("../control.schema.json", import.meta.url);
      ajv.addSchema(JSON.parse(readFileSync(file, "utf8")) as object, "control");
    }
    validate = ajv.compile({ $ref: `control#/$defs/${part}` });
    compiled.set(part, validate);
  }
  if (validate(value)) return undefined;
  const [first] = validate.errors ?? [];
  return first === undefined ? { pointer: "", message: "is not valid" } : describe(first);
}

function describe(error: ErrorObject): ControlProblem {
  const unknown = (error.params as { additionalProperty?: string }).additionalProperty;
  const name = unknown === undefined ? "" : ` (${unknown})`;
  return { pointer: error.instancePath || "/", message: `${error.message ?? "is not valid"}${name}` };
}
