/** The perimeter: the only place that reads the environment and the process, and hands out what commands may use. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { EXIT_CODES, type ExitName } from "@vnes/schemas";
import { cliErrors } from "./errors.ts";
import { Output } from "./output/output.ts";
import { showError } from "./output/problem.ts";
import type { Shell } from "./shell.ts";
import { vnes } from "./vnes.ts";

const { env } = process;
// Nothing this program writes is for others unless it says so.
process.umask(0o077);

const colour = (stream: NodeJS.WriteStream): boolean => {
  return stream.isTTY === true && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
};

// A reader that has seen enough (`vnes ... | head`) is no failure; a disk that takes nothing more is.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT_CODES.ok);
  const { code: reason = "unknown" } = error;
  showError(shell.output, cliErrors.create("CLI_OUTPUT_FAILED", { reason }, error));
  process.exit(EXIT_CODES.failed);
});
// Nobody is left to be told.
process.stderr.on("error", () => process.exit(process.exitCode ?? EXIT_CODES.failed));

/** For what still closes by itself. */
const LINGER_MS = 500;

const shell: Shell = {
  environment: {
    home: homedir(),
    vnesHome: env["VNES_HOME"],
    xdgConfig: env["XDG_CONFIG_HOME"],
    xdgData: env["XDG_DATA_HOME"],
    xdgCache: env["XDG_CACHE_HOME"],
  },
  output: new Output({
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    stdoutColour: colour(process.stdout),
    stderrColour: colour(process.stderr),
  }),
  pid: process.pid,
  prettyLogs: process.stderr.isTTY === true,
  trace: (env["VNES_TRACE"] ?? "") !== "",
  fail: (exit: ExitName) => {
    process.exitCode = EXIT_CODES[exit];
  },
  stopRequested: async () => {
    return await new Promise<string>((done) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        // The second one is not caught: a stop that hangs can still be ended by hand.
        process.once(signal, () => done(signal));
      }
    });
  },
};

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};
await vnes(process.argv.slice(2), shell, version);
// The command has ended and said so. What a library forgot to close, such as the socket to a server that took the
// connection and never spoke, must not keep the process, deaf to its signals.
setTimeout(() => process.exit(), LINGER_MS).unref();
