/** A turn of a capsule in Python and of a native one, one at a time and 64 in flight, beside a bare echo of the same bytes in Python. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nativeExecutor, openProcessSandbox, pythonExecutor } from "@vnes/driver-process";
import type { SandboxInstance, SandboxSpec } from "@vnes/kernel";
import { compile, nativeSpec } from "../../kernel/drivers/process/test/native-capsule.ts";
import { pythonSpec } from "../../kernel/drivers/process/test/python-capsule.ts";
import { atMost, type BenchResult, median } from "./result.ts";
import { requests } from "./turn-requests.ts";
import { perTurn } from "./turn-time.ts";

const IN_FLIGHT = 64;
const ROUNDS = 5;
const STARTS = 5;
const MEGABYTE = 1024 * 1024;
const LIMITS = { turnMs: 1_000 };

export const name = "python";

export const notMeasured: readonly string[] = [
  "the ledger: nothing is recorded, checked against schemas or released (see the bench of turns)",
  "keys the sandbox has to ask for: all are cached after the first turn",
  "walls around the process: it is started as any child",
  "a core for each process: kernel, capsule and echo share what the machine has",
];

const PYTHON = `from .vnes import Capsule
run = Capsule()
@run.call("bench.turn")
def turn(turn, input):
    turn.keys.set("n", turn.keys.get("n", 0) + 1)
    return input
`;

const NATIVE = `#define VNES_IMPLEMENTATION
#include "vnes.h"
static vnes_value *turn_of(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)info;
  vnes_set(turn, "n", vnes_new_number(turn, vnes_number(vnes_get(turn, "n")) + 1));
  return (vnes_value *)input;
}
static const vnes_call_handler calls[] = {{"bench.turn", turn_of}, {NULL, NULL}};
int main(void) { static const vnes_handlers handlers = {.calls = calls}; return vnes_serve(&handlers); }
`;

export async function run(): Promise<readonly BenchResult[]> {
  await using python = openProcessSandbox(pythonExecutor());
  await using native = openProcessSandbox(nativeExecutor);
  const pythonCapsule = pythonSpec(PYTHON, { limits: LIMITS });
  const nativeCapsule = nativeSpec(compile(NATIVE), { limits: LIMITS });
  const inPython = await opened(() => python.open(pythonCapsule));
  const inC = await opened(() => native.open(nativeCapsule));
  const echo = new Echo();
  const rounds: Rounds = { bare: [], bareSingle: [], single: [], together: [], singly: [], native: [] };
  await echo.ask(IN_FLIGHT);
  // In turns, so that a neighbour's noise meets all of them.
  for (let round = 0; round < ROUNDS; round++) {
    rounds.bare.push(await perTurn(IN_FLIGHT, () => echo.ask(IN_FLIGHT)));
    rounds.together.push(await perTurn(IN_FLIGHT, () => inPython.deliver(requests(IN_FLIGHT))));
    rounds.native.push(await perTurn(IN_FLIGHT, () => inC.deliver(requests(IN_FLIGHT))));
    rounds.bareSingle.push(await perTurn(1, () => echo.ask(1)));
    rounds.single.push(await perTurn(1, () => inPython.deliver(requests(1))));
    rounds.singly.push(
      await perTurn(IN_FLIGHT, () =>
        Promise.all(Array.from({ length: IN_FLIGHT }, () => inPython.deliver(requests(1)))),
      ),
    );
  }
  echo.end();
  const memory = (await inPython.meters()).host.memoryBytes / MEGABYTE;
  const peer = {
    name: `bare echo of JSON lines in Python, ${IN_FLIGHT} in flight`,
    value: median(rounds.bare),
  };
  return [
    {
      metric: `a turn in Python, ${IN_FLIGHT} in flight, sent together`,
      value: median(rounds.together),
      unit: "µs",
      peer,
      target: atMost(median(rounds.together), 2 * peer.value, "µs"),
    },
    {
      metric: `a turn in Python, ${IN_FLIGHT} in flight, sent singly`,
      value: median(rounds.singly),
      unit: "µs",
      peer,
    },
    {
      metric: "a turn in Python, one at a time",
      value: median(rounds.single),
      unit: "µs",
      peer: { name: "bare echo, one at a time", value: median(rounds.bareSingle) },
    },
    {
      metric: `a turn in C, ${IN_FLIGHT} in flight, sent together`,
      value: median(rounds.native),
      unit: "µs",
      peer,
    },
    {
      metric: "an instance in Python, from no process to loaded",
      value: await starts(python, pythonCapsule),
      unit: "ms",
    },
    {
      metric: "an instance in C, from no process to loaded",
      value: await starts(native, nativeCapsule),
      unit: "ms",
    },
    { metric: "most memory of an instance in Python", value: memory, unit: "MB" },
  ];
}

type Rounds = { [name in "bare" | "bareSingle" | "single" | "together" | "singly" | "native"]: number[] };

/** Gives it the one key it reads. */
async function opened(open: () => Promise<SandboxInstance>): Promise<SandboxInstance> {
  const instance = await open();
  const [first] = requests(1);
  if (first !== undefined) await instance.deliver([{ ...first, keys: [["n"]], ranges: [] }]);
  const results = await instance.deliver(requests(IN_FLIGHT));
  const bad = results.find(({ kind }) => kind !== "done");
  if (bad !== undefined) throw new Error(`a turn did not end well: ${JSON.stringify(bad)}`);
  return instance;
}

async function starts(
  sandbox: { open(spec: SandboxSpec): Promise<SandboxInstance> },
  spec: SandboxSpec,
): Promise<number> {
  const took: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    const startedAt = performance.now();
    const instance = await sandbox.open({ ...spec, instance: `test.capsule/${start + 1}` });
    took.push(performance.now() - startedAt);
    await instance.dispose();
  }
  return median(took);
}

class Echo {
  readonly #child: ChildProcessWithoutNullStreams = spawn("python3", [
    "-I",
    "-S",
    fileURLToPath(new URL("python-echo.py", import.meta.url)),
  ]);
  #rest = "";
  #left = 0;
  #done: () => void = () => undefined;

  constructor() {
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) JSON.parse(line);
      this.#left -= lines.length;
      if (this.#left === 0) this.#done();
    });
  }

  async ask(count: number): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    this.#left = count;
    this.#child.stdin.write(
      requests(count)
        .map((request) => `${JSON.stringify(request)}\n`)
        .join(""),
    );
    await answered;
  }

  end(): void {
    this.#child.kill();
  }
}
