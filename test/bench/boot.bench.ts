/** From the start of the process to every built-in capsule active, as a person who types `vnes boot` waits for it. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { atMost, type BenchResult, median } from "./result.ts";

const VNES = fileURLToPath(new URL("../../cli/bin/vnes.js", import.meta.url));
const ROUNDS = 3;
const TARGET_MS = 1_500;

export const name = "boot";

export const notMeasured: readonly string[] = [
  "a cold disk, unless run as root: only root may drop the page cache",
  "the very first boot's making of keys, told apart as 'first boot ever'",
];

export async function run(): Promise<readonly BenchResult[]> {
  const home = mkdtempSync(join(tmpdir(), "vnes-bench-boot-"));
  try {
    const first = await boot(home, join(home, "cache-first"));
    const cold: number[] = [];
    const warm: number[] = [];
    const inside: number[] = [];
    let memory = { kernelMb: 0, hostsMb: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      dropPageCache();
      const one = await boot(home, join(home, `cache-${round}`));
      cold.push(one.wallMs);
      inside.push(one.bootMs);
      memory = one.memory;
      warm.push((await boot(home, join(home, `cache-${round}`))).wallMs);
    }
    const bare = median(await Promise.all([1, 2, 3].map(() => bareNode())));
    const limit = { name: "node -e 0", value: bare };
    return [
      { metric: "first boot ever, capsules built and signed", value: first.wallMs, unit: "ms", peer: limit },
      {
        metric: "boot, cold caches, process start to all active",
        value: median(cold),
        unit: "ms",
        peer: limit,
        target: atMost(median(cold), TARGET_MS, "ms"),
      },
      { metric: "boot, warm caches", value: median(warm), unit: "ms", peer: limit },
      { metric: "of which the kernel's own boot, cold", value: median(inside), unit: "ms" },
      { metric: "memory of the kernel process (RSS)", value: memory.kernelMb, unit: "MB" },
      { metric: "memory of its hosts together (RSS)", value: memory.hostsMb, unit: "MB" },
    ];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

interface Booted {
  readonly wallMs: number;
  readonly bootMs: number;
  readonly memory: { readonly kernelMb: number; readonly hostsMb: number };
}

async function boot(home: string, cache: string): Promise<Booted> {
  const start = performance.now();
  const child = spawn(process.execPath, [VNES, "boot", "--home", home, "-o", "json"], {
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const line = await new Promise<string>((resolve, reject) => {
    const giveUp = setTimeout(() => child.kill("SIGKILL"), 60_000);
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes("\n")) resolve(out.slice(0, out.indexOf("\n")));
    });
    child.on("exit", (code) => {
      clearTimeout(giveUp);
      reject(new Error(`vnes boot ended with ${code}: ${err.slice(-2_000)}`));
    });
  });
  const wallMs = performance.now() - start;
  const booted = JSON.parse(line) as { pid: number; bootMs: number; active: number; capsules: unknown };
  const memory = memoryOf(booted.pid);
  const ended = new Promise((resolve) => child.removeAllListeners("exit").on("exit", resolve));
  child.kill("SIGTERM");
  await ended;
  if (booted.active < 5) throw new Error(`only ${booted.active} capsules became active`);
  return { wallMs, bootMs: booted.bootMs, memory };
}

function memoryOf(pid: number): Booted["memory"] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean);
  return { kernelMb: rssMb(pid), hostsMb: children.reduce((sum, child) => sum + rssMb(Number(child)), 0) };
}

function rssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

function dropPageCache(): void {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
  } catch {
    // Not root: said under notMeasured.
  }
}

async function bareNode(): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  await new Promise((resolve) => child.on("exit", resolve));
  return performance.now() - start;
}
