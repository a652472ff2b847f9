/**
 * What the sdk of C does with bytes that no kernel sends: it answers, or it ends with 70 and a line that says why. The program checks every
 * access to memory and every conversion.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { after, test } from "node:test";
import { SeededRandom } from "../src/seeded-random.ts";
import { compile } from "../../kernel/drivers/process/test/native-capsule.ts";

const CHECKED = [
  "-O1",
  "-g",
  "-fsanitize=address,undefined,float-cast-overflow",
  "-fno-sanitize-recover=all",
];
const CASES = 120;
/** A process that needs longer hangs. */
const PATIENCE_MS = 20_000;

const dir = mkdtempSync(join(tmpdir(), "vnes-bytes-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const program = join(dir, "main");
writeFileSync(program, compile(readFileSync(new URL("native-lab.c", import.meta.url), "utf8"), CHECKED), {
  mode: 0o700,
});

function frame(message: object, text?: string): Buffer {
  return framed(JSON.stringify(message) + (text === undefined ? "" : `\n${text}`));
}

function framed(text: string): Buffer {
  const body = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

const LIMITS = { memoryMb: 64, cacheBytes: 100_000, effectBytes: 100_000, turnMs: 1000 };
const STEPS = [
  [
    "set",
    "k\u00e9y",
    { "9": [1, -2.5e-7, "\ud83d\ude00\\u0041\n"], a: null },
    { expect: null, ttlMs: 60_000 },
  ],
  ["get", "k\u00e9y"],
  ["version", "other"],
  ["entries", "k"],
  ["timer", "t:1", 1e12],
  ["publish", "topic", [[[[[{}]]]]]],
  ["log", "said", true],
  ["id", "x"],
];

function request(turn: number): object {
  const input = STEPS;
  const delivery = {
    kind: "call",
    callId: `c${turn}`,
    capability: "lab",
    method: "steps",
    input,
    caller: "x",
    deadlineAt: 1e12,
  };
  const keys = [["key", { old: 1 }, 7], ["other", null, 3], ["gone"]];
  return {
    turn,
    at: 1_700_000_000_000,
    seed: "0123456789abcdef0123456789abcdef",
    keys,
    ranges: ["k", ""],
    delivery,
  };
}

const GOOD = [
  frame({ hello: { protocol: 1, name: "native:lab" } }),
  frame({ do: "open", id: 0, instance: "lab/0", entry: "impl/main", limits: LIMITS }),
  frame(
    { do: "deliver", id: 0, batch: 1, turns: [1, 2], stops: 0 },
    JSON.stringify([request(1), request(2)]),
  ),
  frame({ do: "reset", id: 0, ask: 1 }),
];

const EXTREMES = [
  "-1",
  "1e400",
  "NaN",
  "0x10",
  "1e300",
  "-1e300",
  "null",
  "[]",
  "{}",
  '""',
  '"\\ud800"',
  '"\\u00',
  "[[",
  "\u0000",
  "}",
];

/** One frame is not what a kernel says: a byte differs, a value is another one, it ends early, or its length lies. */
function spoiled(random: SeededRandom): Buffer {
  const below = (limit: number): number => Math.floor(random.random() * limit);
  const frames = GOOD.map((bytes) => Buffer.from(bytes));
  const which = below(frames.length);
  const bytes = frames[which] as Buffer;
  let body: Buffer = bytes.subarray(4);
  let length: number | undefined;
  switch (below(4)) {
    case 0:
      for (let flips = 1 + below(3); flips > 0; flips -= 1) body[below(body.length)] = below(256);
      break;
    case 1: {
      const values = [...body.toString("latin1").matchAll(/-?\d+(?:\.\d+)?|null|"[^"]*"/g)];
      const { 0: old = "", index = 0 } = values[below(values.length)] ?? {};
      const other = Buffer.from(EXTREMES[below(EXTREMES.length)] ?? "", "latin1");
      body = Buffer.concat([body.subarray(0, index), other, body.subarray(index + old.length)]);
      break;
    }
    case 2:
      body = body.subarray(0, below(body.length));
      break;
    default:
      length = below(2) === 0 ? below(2 * body.length) : below(2 ** 32);
  }
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length ?? body.length);
  frames[which] = Buffer.concat([head, body]);
  return Buffer.concat(frames);
}

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly said: string;
  readonly answered: number;
}

async function fed(command: readonly [string, ...string[]], bytes: Buffer): Promise<End> {
  const [file, ...args] = command;
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe", "pipe"], timeout: PATIENCE_MS });
  let said = "";
  let answered = 0;
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  const kernel = child.stdio[3] as Duplex;
  kernel.on("error", () => {});
  kernel.on("data", (chunk: Buffer) => (answered += chunk.length));
  kernel.end(bytes);
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, said, answered };
}

test("what is in order is answered, and the end of the stream ends the program", async () => {
  const { code, said, answered } = await fed([program], Buffer.concat(GOOD));
  assert.deepEqual([code, said], [0, ""]);
  assert.ok(answered > 500, `${answered} bytes`);
});

async function assertSafe(bytes: Buffer, what: string): Promise<number> {
  const { code, signal, said } = await fed([program], bytes);
  assert.ok(code === 0 || code === 70, `${what}: ${code ?? signal}: ${said}`);
  if (code === 70) assert.match(said, /^Error: [^\n]+\n$/, what);
  return code;
}

test("whatever bytes come, a native program touches no memory that is not its own and ends with 0 or 70", async () => {
  const ends: number[] = [];
  for (let seed = 0; seed < CASES; seed += 1) {
    const bytes = spoiled(new SeededRandom(seed.toString(16).padStart(16, "0")));
    ends.push(await assertSafe(bytes, `seed ${seed}`));
  }
  const refused = ends.filter((code) => code === 70).length;
  assert.ok(refused > 20 && ends.length - refused > 5, `${refused} of ${ends.length} were refused`);
});

test("no number of the kernel is one that cannot be converted", async () => {
  const all = GOOD.map((bytes) => bytes.subarray(4).toString());
  for (const [which, body] of all.entries()) {
    for (const { 0: old, index } of body.matchAll(/(?<=[:,[])-?\d+(?:\.\d+)?/g)) {
      for (const extreme of ["1e300", "-1e300", "1e999"]) {
        const changed = body.slice(0, index) + extreme + body.slice(index + old.length);
        const frames = all.map((text, i) => framed(i === which ? changed : text));
        await assertSafe(Buffer.concat(frames), `${changed.slice(Math.max(0, index - 30), index)}${extreme}`);
      }
    }
  }
});
