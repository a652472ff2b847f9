/** Every error table of the program, found by its name: an export that ends in `Errors`. */
import * as confine from "@vnes/driver-confine";
import * as device from "@vnes/driver-device";
import * as host from "@vnes/driver-host";
import * as nats from "@vnes/driver-nats/errors";
import * as process from "@vnes/driver-process";
import * as sandbox from "@vnes/driver-sandbox";
import * as sqlite from "@vnes/driver-sqlite";
import * as kernel from "@vnes/kernel";
import * as registry from "@vnes/registry";
import * as schemas from "@vnes/schemas";
import { type ErrorDetails, type ErrorEntry, type ErrorTable, type ExitName, VnesError } from "@vnes/schemas";
import { cliErrors } from "./errors.ts";

const PACKAGES: Readonly<Record<string, object>> = {
  schemas,
  kernel,
  registry,
  "kernel/drivers/sqlite": sqlite,
  "kernel/drivers/nats": nats,
  "kernel/drivers/host": host,
  "kernel/drivers/confine": confine,
  "kernel/drivers/sandbox": sandbox,
  "kernel/drivers/process": process,
  "kernel/drivers/device": device,
  cli: { cliErrors },
};

export interface NamedTable {
  /** Folder of the package. */
  readonly package: string;
  readonly name: string;
  readonly entries: Readonly<Record<string, ErrorEntry>>;
}

/** In the order of the packages; a table that two packages export is its owner's. */
export function errorTables(): readonly NamedTable[] {
  const seen = new Set<unknown>();
  return Object.entries(PACKAGES).flatMap(([folder, exports]) => {
    return Object.entries(exports).flatMap(([name, value]) => {
      if (!name.endsWith("Errors") || seen.has(value) || typeof value !== "object") return [];
      seen.add(value);
      return [{ package: folder, name, entries: (value as ErrorTable<string>).entries }];
    });
  });
}

function findEntry(code: string): ErrorEntry | undefined {
  return errorTables().find(({ entries }) => Object.hasOwn(entries, code))?.entries[code];
}

/** A known code with the message it came with; its remedy is filled from the details that came along. */
export function tableError(code: string, message: string, details: ErrorDetails): VnesError | undefined {
  const entry = findEntry(code);
  if (entry === undefined) return undefined;
  const { remedy } = new VnesError(code, entry, details);
  const filled = /\{\w+\}/.test(remedy) ? "vnes status" : remedy;
  const error = new VnesError(code, { ...entry, message: "", remedy: filled }, details);
  return Object.defineProperty(error, "message", { value: message });
}

/** Broken beats forbidden beats the rest: what a list of reasons ends a command with. */
const GRAVITY: readonly ExitName[] = [
  "integrity",
  "policy",
  "conflict",
  "notFound",
  "timeout",
  "usage",
  "failed",
];

export function gravestExit(codes: readonly string[], otherwise: ExitName): ExitName {
  const exits = new Set(codes.map((code) => findEntry(code)?.exit));
  return GRAVITY.find((exit) => exits.has(exit)) ?? otherwise;
}
