/** What a Python capsule can do to its process, and what it cannot do to its turns. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type TurnRequest } from "@vnes/schemas";
import { openProcessSandbox, pythonExecutor } from "../src/index.ts";
import { pythonSpec, TURN_MS } from "./python-capsule.ts";
import { AT, callOf, told, valueOf } from "../../../contracts/sandbox-lab.ts";

const sandbox = openProcessSandbox(pythonExecutor());
after(() => sandbox[Symbol.asyncDispose]());

/** Each handler is the body of a function of `turn` and `input`; `top` stands before them. */
async function open(
  handlers: { readonly [method: string]: string },
  options: Parameters<typeof pythonSpec>[1] & { readonly top?: string } = {},
): Promise<SandboxInstance> {
  const functions = Object.entries(handlers).map(
    ([name, body]) => `@run.call("t.${name}")
def ${name}(turn, input):
${body
  .split("\n")
  .map((line) => `    ${line}`)
  .join("\n")}
`,
  );
  const source = `from .vnes import Capsule, later, refuse
${options.top ?? ""}
run = Capsule()
${functions.join("\n")}`;
  return await sandbox.open(pythonSpec(source, options));
}

test("time, randomness and hashes are the turn's, by every way the library has", async () => {
  const one = await open(
    {
      go: `return {
    "time": [time.time(), str(time.time_ns()), time.monotonic(), time.perf_counter(), time.localtime().tm_year, time.strftime("%Y")],
    "now": [datetime.datetime.now().isoformat(), datetime.date.today().isoformat(), str(datetime.datetime.now(datetime.timezone.utc))],
    "random": [random.random(), random.randint(0, 10**9), random.Random().random(), random.SystemRandom().random()],
    "secret": [secrets.token_hex(8), uuid.uuid4().hex],
    "hash": [str(hash("a")), list({"b", "a", "c", "d"})],
}`,
    },
    { top: "import time, datetime, random, secrets, uuid" },
  );
  const [first, again] = await one.deliver([callOf("go"), callOf("go")]);
  const other = await open({ go: "return [str(hash('a')), random.random()]" }, { top: "import random" });
  const value = valueOf(first) as { [name: string]: unknown[] };
  assert.deepEqual(valueOf(again), value);
  assert.deepEqual(value["time"], [AT / 1000, `${AT}000000`, AT / 1000, AT / 1000, 2001, "2001"]);
  assert.equal(value["now"]?.[0], "2001-09-09T01:46:40.123000");
  assert.deepEqual(valueOf((await other.deliver([callOf("go")]))[0]), [
    value["hash"]?.[0],
    value["random"]?.[0],
  ]);
  const [differently] = await one.deliver([callOf("go", null, { seed: "fedcba9876543210" })]);
  const drawn = valueOf(differently) as { [name: string]: unknown[] };
  for (const [index, draw] of (value["random"] ?? []).entries())
    assert.notEqual(drawn["random"]?.[index], draw);
  assert.notDeepEqual(drawn["secret"], value["secret"]);
});

test("what reaches outside is not importable, and refused where a capsule finds it all the same", async () => {
  const modules = [
    "os",
    "sys",
    "socket",
    "subprocess",
    "ctypes",
    "threading",
    "multiprocessing",
    "asyncio",
    "signal",
    "gc",
  ];
  const more = [
    "importlib",
    "resource",
    "select",
    "mmap",
    "_thread",
    "_io",
    "posix",
    "pathlib",
    "urllib.request",
    "builtins",
  ];
  const one = await open(
    {
      imports: `found = []
for name in input:
    try:
        __import__(name)
        found.append(name)
    except ImportError:
        pass
return found`,
      part: `from urllib import request`,
      builtins: `return [name for name in ("open", "input", "breakpoint", "exit") if name in __builtins__]`,
      reach: `os = random._os
outcomes = []
def trying(what):
    try:
        what()
        outcomes.append("did")
    except BaseException as cause:
        outcomes.append(type(cause).__name__)
trying(lambda: os.listdir("/"))
trying(lambda: os.system("true"))
trying(lambda: os.fork())
trying(lambda: os.kill(1, 0))
trying(lambda: os.open("/etc/passwd", 0))
trying(lambda: io.FileIO("/etc/passwd"))
trying(lambda: os.posix_spawn("/bin/true", ["true"], {}))
trying(lambda: os.remove("/tmp/x"))
return outcomes`,
      sleep: `time.sleep(100)`,
      exit: `raise SystemExit(3)`,
    },
    { top: "import io, random, time" },
  );
  const names = [...modules, ...more];
  const [imports, part, builtins, reach, sleep, exit] = await one.deliver([
    callOf("imports", names),
    callOf("part"),
    callOf("builtins"),
    callOf("reach"),
    callOf("sleep"),
    callOf("exit"),
  ]);
  assert.deepEqual(valueOf(imports), []);
  assert.match(JSON.stringify(part), /TURN_HANDLER_THREW.*ImportError/);
  assert.deepEqual(valueOf(builtins), []);
  assert.deepEqual(
    valueOf(reach),
    Array.from({ length: 8 }, () => "PermissionError"),
  );
  assert.match(JSON.stringify(sleep), /TURN_HANDLER_THREW.*turn.set_timer/);
  assert.match(JSON.stringify(exit), /TURN_HANDLER_THREW.*SystemExit: 3/);
});

test("printed lines are lines of the turn, bounded and counted", async () => {
  const one = await open({
    go: `turn.log("info", "by log")\nprint("by print", {"n": 1})\nprint("no end", end="")`,
    flood: `for n in range(5000): print("x" * 10000)`,
    wide: `print("y" * 10_000_000, end="")`,
    silent: `return None`,
  });
  const [said, flood, wide, silent] = await one.deliver([
    callOf("go"),
    callOf("flood"),
    callOf("wide"),
    callOf("silent"),
  ]);
  assert.deepEqual(said?.kind === "done" && said.logs, [
    { level: "info", message: "by log" },
    { level: "info", message: "by print {'n': 1}" },
    { level: "info", message: "no end" },
  ]);
  const lines = flood?.kind === "done" ? (flood.logs ?? []) : [];
  assert.equal(lines.length, 65);
  assert.ok(lines.every(({ message }) => message.length <= 2_000));
  assert.match(lines.at(-1)?.message ?? "", /4936 more printed lines/);
  assert.equal(wide?.kind, "done");
  assert.deepEqual(silent?.kind === "done" && silent.logs, undefined);
});

const HANGS: { readonly [name: string]: string } = {
  loop: "while True: pass",
  regex: `import re\nre.match("(a+)+$", "a" * 64 + "b")`,
  power: "return len(str(7 ** (10 ** 9) % 10))",
  caught: "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
};

for (const [name, body] of Object.entries(HANGS)) {
  test(`a turn that hangs (${name}) fails alone: those before it are kept, those behind it come again`, async () => {
    const one = await open({ ok: "return input", hang: body }, { limits: { memoryMb: 1_024 } });
    const results = await one.deliver([callOf("ok"), callOf("ok"), callOf("hang"), callOf("ok")]);
    assert.deepEqual(told(results), ["done", "done", "TURN_DEADLINE", "needKeys"]);
    assert.deepEqual(told(await one.deliver([callOf("ok"), callOf("ok")])), ["done", "done"]);
    assert.deepEqual(told(await one.deliver([callOf("hang")])), ["TURN_DEADLINE"]);
    await one.reset();
    assert.deepEqual(told(await one.deliver([callOf("ok")])), ["done"]);
    const { failedTurns, cpuMs } = await one.meters();
    assert.equal(failedTurns, 2);
    // Both were killed after a deadline of work each, or as much of it as a busy machine let them have.
    assert.ok(cpuMs >= TURN_MS / 10, `only ${cpuMs} ms were charged`);
  });
}

test("of batches sent together the one that hangs is to blame, and no turn is lost or run in two orders", async () => {
  const one = await open({
    add: `turn.keys.set("n", turn.keys.get("n") + 1)\nreturn turn.keys.get("n")`,
    hang: HANGS["loop"] as string,
  });
  await one.deliver([{ ...callOf("add"), keys: [["n", 0]] }]);
  const batches = [[callOf("add")], [callOf("hang")], [callOf("add"), callOf("add")]];
  const results = await Promise.all(batches.map((batch) => one.deliver(batch)));
  // The first had ended, but nobody knew: it runs again in a process that has no keys.
  assert.deepEqual(results.map(told), [["needKeys"], ["needKeys"], ["needKeys", "needKeys"]]);
  const again = await Promise.all([
    one.deliver([{ ...callOf("add"), keys: [["n", 1]] }]),
    one.deliver([callOf("hang")]),
    one.deliver([callOf("add")]),
  ]);
  assert.deepEqual(again.map(told), [["done"], ["TURN_DEADLINE"], ["needKeys"]]);
});

test("many turns that are slow together do not share one deadline", async () => {
  const one = await open({ slow: "x = 0\nfor n in range(1_200_000): x += n\nreturn x" });
  const results = await one.deliver(Array.from({ length: 40 }, () => callOf("slow")));
  assert.deepEqual(new Set(told(results)), new Set(["done"]));
  const { cpuMs } = await one.meters();
  assert.ok(cpuMs > TURN_MS, `the batch took ${cpuMs} ms of CPU, which is to be more than one deadline`);
});

const HOGS: { readonly [name: string]: string } = {
  list: `kept.append("x")\nwhile True: kept.append(str(len(kept)) * 100)`,
  bytes: `return len(bytearray(1 << 30))`,
  text: `text = "x"\nwhile True: text += text`,
  number: "return (1 << (1 << 34)).bit_length()",
  dict: `made = {}\nwhile True: made[len(made)] = [0] * 1000`,
};

for (const [name, body] of Object.entries(HOGS)) {
  test(`a turn at the memory limit (${name}) ends in TURN_MEMORY, and the next one has all of it`, async () => {
    const one = await open(
      { ok: "return len(kept)", half: "return len(bytearray(16 << 20))", hog: body },
      { top: "kept = []", limits: { turnMs: 10_000 } },
    );
    assert.deepEqual(told(await one.deliver([callOf("ok"), callOf("hog"), callOf("ok")])), [
      "done",
      "TURN_MEMORY",
      "needKeys",
    ]);
    const [ok, half] = await one.deliver([callOf("ok"), callOf("half")]);
    assert.deepEqual([valueOf(ok), valueOf(half)], [0, 16 << 20]);
  });
}

test("what a handler does to the stack, and returns instead of a value, fails its turn by name", async () => {
  const one = await open({
    deep: "def again(): again()\nagain()",
    nested: "value = []\nfor _ in range(100): value = [value]\nreturn value",
    cycle: "value = {}\nvalue['it'] = value\nreturn value",
    generator: "yield 1",
    thing: "return object()",
    surrogate: `return "\\ud800"`,
    negative: "return -0.0",
    large: "return 2 ** 53",
    raises: "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd()",
    bare: "raise BaseException('no')",
  });
  const names = [
    "deep",
    "nested",
    "cycle",
    "generator",
    "thing",
    "surrogate",
    "negative",
    "large",
    "raises",
    "bare",
  ];
  assert.deepEqual(told(await one.deliver(names.map((name) => callOf(name)))), [
    "TURN_HANDLER_THREW",
    "TURN_EFFECT_INVALID",
    "TURN_EFFECT_INVALID",
    "TURN_RETURNED_PROMISE",
    "TURN_EFFECT_INVALID",
    "done",
    "TURN_EFFECT_INVALID",
    "TURN_EFFECT_INVALID",
    "TURN_HANDLER_THREW",
    "TURN_HANDLER_THREW",
  ]);
});

test("what a handler raises is told with the capsule's own line that led there", async () => {
  const source = `from .vnes import Capsule
from .rules import check
import json
run = Capsule()
@run.call("t.own")
def own(turn): check(turn)
@run.call("t.library")
def library(turn): json.loads("{")
@run.call("t.misused")
def misused(turn): turn.keys.set("k", 1, ttl=5)`;
  const files = { "impl/rules.py": "def check(turn):\n  raise ValueError('no')" };
  const one = await sandbox.open(pythonSpec(source, { files }));
  const results = await one.deliver([callOf("own"), callOf("library"), callOf("misused")]);
  assert.deepEqual(
    results.map((result) => /\([^()]*\)$/.exec((result as { message?: string }).message ?? "")?.[0]),
    ["(impl/rules.py, line 2)", "(impl/main.py, line 8)", "(impl/main.py, line 10)"],
  );
});

test("a message about a name is cut in its middle, so that it says what is wrong and is one to the kernel", async () => {
  const one = await open({ long: `turn.keys.set("k" * 10_000, -0.0)` });
  const [result] = await one.deliver([callOf("long")]);
  assert.deepEqual(told(result === undefined ? [] : [result]), ["TURN_EFFECT_INVALID"]);
  assert.match(
    (result as { message?: string }).message ?? "",
    /^write k{494}\.\.\.k+: .*: -0 does not survive JSON$/,
  );
});

test("several keys at once are asked for together (get_all)", async () => {
  const one = await open({ go: `turn.keys.set("c", 3)\nreturn turn.keys.get_all(["a", "b", "c", "d"], 0)` });
  const [needs] = await one.deliver([callOf("go")]);
  assert.deepEqual((needs as { keys?: readonly string[] }).keys, ["a", "b", "d"]);
  const keys: TurnRequest["keys"] = [["a", 1, 1], ["b"], ["d", null, 2]];
  assert.deepEqual(valueOf((await one.deliver([callOf("go", null, { keys })]))[0]), [1, 0, 3, null]);
});

test("a table with two handlers of one name, or a decorator without one, does not load", async () => {
  const head = "from .vnes import Capsule\nrun = Capsule()\n";
  const handler = (decorator: string): string => `${decorator}\ndef one(turn): pass\n`;
  const twice = pythonSpec(head + handler('@run.call("t.a")') + handler('@run.call("t.a")'));
  await assert.rejects(sandbox.open(twice), /two handlers for t\.a/);
  await assert.rejects(sandbox.open(pythonSpec(head + handler("@run.event"))), /say what the handler is for/);
});

test("floods of effects and keys end in a code", async () => {
  const one = await open(
    {
      flood: `for n in range(100_000): turn.publish("t", "k", None)`,
      giant: `turn.keys.set("k" * 1_000_000, 1)`,
      wide: `turn.keys.set("k", "ä" * 40_000)`,
      asking: `turn.keys.get("k" * 1_000_000)`,
    },
    { limits: { turnMs: 5_000, memoryMb: 128 } },
  );
  assert.deepEqual(
    told(await one.deliver([callOf("flood"), callOf("giant"), callOf("wide"), callOf("asking")])),
    ["TURN_EFFECTS_TOO_LARGE", "TURN_EFFECTS_TOO_LARGE", "TURN_EFFECTS_TOO_LARGE", "needKeys"],
  );
});

test("a process that ends in the middle of a turn rejects what it owed, and its instance with it", async () => {
  const one = await open({ ok: "return 1", end: "random._os._exit(0)" }, { top: "import random" });
  const died = { code: "SANDBOX_HOST_DIED" };
  const [first, second] = await Promise.allSettled([
    one.deliver([callOf("ok"), callOf("end")]),
    one.deliver([callOf("ok")]),
  ]);
  for (const outcome of [first, second]) {
    assert.ok(outcome.status === "rejected" && isVnesError(outcome.reason), JSON.stringify(outcome));
    assert.equal(outcome.reason.code, "SANDBOX_HOST_DIED");
  }
  await assert.rejects(one.deliver([callOf("ok")]), died);
  await assert.rejects(one.reset(), died);
  await one.dispose();
});

test("a capsule that reaches into the host's own globals forges its own turns at most", async () => {
  const top = `
host = __import__("types").FunctionType
def host_of():
    import random
    for each in random._os.urandom.__globals__.values():
        pass
    return random._os.urandom.__globals__`;
  const one = await open(
    {
      ok: "return 1",
      wrong: `globals = host_of()\nglobals["failed"] = lambda *_: "{}"\nglobals["encode"] = lambda value: '{"turn":0,"kind":"done","effects":[]}'`,
      frame: `globals = host_of()\nglobals["_write"](3, b"\\0\\0\\0\\1x")`,
      owed: `globals = host_of()\nbody = b'{"did":"deliver","id":0,"batch":99,"stops":0}'\nglobals["_write"](3, len(body).to_bytes(4, "big") + body)`,
    },
    { top },
  );
  assert.deepEqual(told(await one.deliver([callOf("ok"), callOf("wrong"), callOf("ok")])), [
    "done",
    "SANDBOX_ANSWER_INVALID",
    "needKeys",
  ]);
  assert.deepEqual(told(await one.deliver([callOf("ok")])), ["done"]);
  await assert.rejects(one.deliver([callOf("frame")]), { code: "SANDBOX_HOST_DIED" });
  const two = await open(
    {
      owed: `globals = host_of()\nbody = b'{"did":"deliver","id":0,"batch":99,"stops":0}'\nglobals["_write"](3, len(body).to_bytes(4, "big") + body)`,
    },
    { top },
  );
  await assert.rejects(two.deliver([callOf("owed")]), { code: "SANDBOX_HOST_DIED" });
});

test("format strings find nothing that is not a capsule's own, and a value read back has not changed", async () => {
  const one = await open({
    format: `try:\n    return input.format(turn=turn)\nexcept Exception as cause:\n    return type(cause).__name__`,
    change: `value = turn.keys.get("k")\nvalue["list"].append(3)\nvalue["2"] = 1\nreturn turn.keys.get("k")`,
    order: `turn.keys.set("o", {"b": 1, "10": 2, "9": 3, "01": 4})\nreturn list(turn.keys.get("o"))`,
    whole: `turn.keys.set("w", 4 / 2)\nreturn repr(turn.keys.get("w"))`,
  });
  const [secret] = await one.deliver([
    callOf("format", "{turn.keys._turn._seed.__class__.__init__.__globals__}"),
  ]);
  assert.equal(valueOf(secret), "AttributeError");
  const [change, order, whole] = await one.deliver([
    { ...callOf("change"), keys: [["k", { list: [1] }, 4]] },
    callOf("order"),
    callOf("whole"),
  ]);
  assert.deepEqual(
    [valueOf(change), valueOf(order), valueOf(whole)],
    [{ list: [1] }, ["9", "10", "b", "01"], "2"],
  );
});

test("the example of docs/python.md answers", async () => {
  const page = readFileSync(new URL("../../../../docs/python.md", import.meta.url), "utf8");
  const [, example = ""] = /^```python\n([\s\S]*?)^```$/m.exec(page) ?? [];
  const one = await sandbox.open(pythonSpec(example));
  const asked = callOf("greet", { name: "Ada" }, { keys: [["greeted/Ada"]] });
  const delivery = { ...asked.delivery, capability: "acme.greeter" } as TurnRequest["delivery"];
  const [greeted] = await one.deliver([{ ...asked, delivery }]);
  assert.deepEqual(valueOf(greeted), { greeting: "Hello, Ada!", times: 1 });
});

test("a capsule of several modules imports them by name and by place, and none from disk", async () => {
  const source = `from .vnes import Capsule
from .parts import rules
from helper import twice
import impl.parts.rules as same
run = Capsule(calls={"t.go": lambda turn, input: [twice(rules.STEP), same is rules, __name__, rules.__name__, rules.__file__]})`;
  const files = { "impl/parts/rules.py": "STEP = 21", "impl/helper.py": "def twice(n): return 2 * n" };
  const one = await sandbox.open(pythonSpec(source, { files }));
  assert.deepEqual(valueOf((await one.deliver([callOf("go")]))[0]), [
    42,
    true,
    "impl.main",
    "impl.parts.rules",
    "impl/parts/rules.py",
  ]);
  const plain = `def run(request): return {"turn": request["turn"], "kind": "done", "effects": []}`;
  const two = await sandbox.open(pythonSpec(plain));
  assert.deepEqual(told(await two.deliver([callOf("go"), callOf("go")])), ["done", "done"]);
  await two.reset();
});

test("a capsule that does not load is refused with the reason", async () => {
  const broken: [source: string, reason: RegExp, options?: Parameters<typeof pythonSpec>[1]][] = [
    ["def run(", /SyntaxError/],
    ["raise ValueError('at the top')", /ValueError: at the top/],
    ["x = 1", /impl\.main has no function run/],
    ["run = 1", /has no function run/],
    ["import nothing_there", /nothing_there is not there for capsules/],
    ["from . import missing", /cannot import name 'missing'/],
    ["while True: pass", /did not load within/],
    ["run = print", /no module other/, { entry: "other:run" }],
    ["run = print", /is not module\.path:function/, { entry: "impl/main.py" }],
    ["kept = []\nwhile True: kept.append('x' * 10000 + str(len(kept)))", /MemoryError/],
  ];
  for (const [source, reason, options] of broken) {
    await assert.rejects(sandbox.open(pythonSpec(source, options)), (error: unknown) => {
      assert.ok(isVnesError(error));
      assert.equal(error.code, "SANDBOX_BUNDLE_BROKEN", `${source}: ${error.message}`);
      assert.match(error.message, reason);
      return true;
    });
  }
});

test("without a python3, or with one that is too old, the code says what to install", async () => {
  const none = openProcessSandbox(pythonExecutor(() => "not found"));
  await assert.rejects(none.open(pythonSpec("")), (error: unknown) => {
    assert.ok(isVnesError(error));
    assert.equal(error.code, "PYTHON_MISSING");
    assert.match(error.remedy, /Debian package python3/);
    return true;
  });
  const old = openProcessSandbox(pythonExecutor(() => ({ file: "/x", version: [3, 9], folders: [] })));
  await assert.rejects(old.open(pythonSpec("")), { code: "PYTHON_TOO_OLD" });
});

test("memory that was given back is no longer charged", async () => {
  const one = await open(
    { take: "kept.append(bytearray(16 << 20))", give: "kept.clear()" },
    { top: "kept = []", limits: { memoryMb: 64 } },
  );
  const bytes: number[] = [];
  for (const method of ["take", "give"]) {
    assert.deepEqual(told(await one.deliver([callOf(method)])), ["done"]);
    bytes.push((await one.meters()).memoryBytes);
  }
  const [taken = 0, given = 0] = bytes;
  assert.ok(taken - given > 8 << 20, `${taken} and then ${given} bytes`);
});

test("the last thing a disposed instance does is to leave no process behind", async () => {
  const one = await open({ ok: "return 1" });
  const { pid } = (await one.meters()).host;
  process.kill(pid, 0);
  await one.dispose();
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});
