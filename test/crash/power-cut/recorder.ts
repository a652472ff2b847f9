/** Runs a command under strace, so that every change it makes to files is written down in order, content included. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** The calls Node and SQLite change files with. */
const CALLS =
  "openat,write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat,renameat2";
/** No single write of a ledger is larger. */
const MAX_STRING_BYTES = 16 * 1024 * 1024;
/** strace ends by itself once the last process it follows is gone. */
const END_TIMEOUT_MS = 10_000;

/** The command line that runs `command` recorded; the process started is the command itself, strace is its grandchild. */
export function recorded(command: readonly string[], trace: string): readonly string[] {
  const flags = [
    "-D",
    "-f",
    "-y",
    "-xx",
    "--seccomp-bpf",
    "-s",
    String(MAX_STRING_BYTES),
    "-e",
    `trace=${CALLS}`,
  ];
  return ["strace", ...flags, "-e", "signal=none", "-q", "-o", trace, "--", ...command];
}

/** Process id of the strace that follows `pid`; 0 when none does. */
export function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

/** Resolves once the recorder has written its last line. */
export async function recorderEnded(tracer: number): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS;
  while (existsSync(`/proc/${tracer}`)) {
    if (performance.now() > deadline)
      throw new Error(`strace (pid ${tracer}) did not end: a process it follows is still alive`);
    await sleep(5);
  }
}

/** Installs strace where it may; says exactly what is missing where it may not. */
export function ensureStrace(): void {
  if (spawnSync("strace", ["-V"]).status === 0) return;
  if (process.getuid?.() === 0) spawnSync("apt-get", ["install", "-y", "strace"], { stdio: "inherit" });
  if (spawnSync("strace", ["-V"]).status === 0) return;
  throw new Error("power cuts need strace: apt-get install strace");
}
