/** The kernel's log as pino lines on standard error: JSON for machines, readable lines in a terminal. */
import { createRequire } from "node:module";
import type { Log } from "@vnes/kernel";
import { pino } from "pino";
import type PinoPretty from "pino-pretty";

export interface LogOptions {
  readonly node: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly pretty: boolean;
  readonly colour: boolean;
}

/** A field of one of these names never carries its value into a log, wherever it stands. */
const SECRETS = ["secret", "privateKey", "private_key", "password", "token"];

export function createLog({ node, level, pretty, colour }: LogOptions): Log {
  // Written synchronously: the last line before a crash is the one that is wanted.
  const stream = pretty ? prettyStream(colour) : pino.destination({ fd: 2, sync: true });
  const logger = pino(
    {
      level,
      base: { node },
      redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    debug: (data, message) => logger.debug(data, message),
    info: (data, message) => logger.info(data, message),
    warn: (data, message) => logger.warn(data, message),
    error: (data, message) => logger.error(data, message),
  };
}

function prettyStream(colorize: boolean): NodeJS.WritableStream {
  const load = createRequire(import.meta.url);
  const pretty = load("pino-pretty") as typeof PinoPretty;
  return pretty({
    colorize,
    sync: true,
    destination: 2,
    ignore: "pid,hostname,node",
    translateTime: "HH:MM:ss.l",
  });
}
