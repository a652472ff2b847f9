/** The kernel's log as pino lines on standard error: JSON for machines, readable lines in a terminal. */
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { Writable } from "node:stream";
import type { Log } from "@vnes/kernel";
import { type DestinationStream, pino } from "pino";
import type PinoPretty from "pino-pretty";
import { harmless, harmlessJson } from "./output/text.ts";

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
  const stream = pretty ? prettyStream(colour) : filtered(pino.destination({ fd: 2, sync: true }));
  // A capsule's line is one line: after a line feed of its own it could say anything in the name of anybody.
  const said = pretty ? harmless : (message: string): string => message;
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
    debug: (data, message) => logger.debug(data, said(message)),
    info: (data, message) => logger.info(data, said(message)),
    warn: (data, message) => logger.warn(data, said(message)),
    error: (data, message) => logger.error(data, said(message)),
  };
}

/** Lines of JSON, which a terminal may show as well. */
function filtered(to: { write(line: string): unknown }): DestinationStream {
  return { write: (line) => void to.write(harmlessJson(line)) };
}

function prettyStream(colorize: boolean): NodeJS.WritableStream {
  const load = createRequire(import.meta.url);
  const pretty = load("pino-pretty") as typeof PinoPretty;
  return pretty({
    colorize,
    sync: true,
    destination: new Writable({
      decodeStrings: false,
      write(chunk: string | Buffer, _encoding, done) {
        writeSync(2, harmlessJson(chunk.toString()));
        done();
      },
    }),
    ignore: "pid,hostname,node",
    translateTime: "HH:MM:ss.l",
  });
}
