/** Capsules in Python that mean harm: the body of call `t.go`, as a function of `turn` that returns what it got hold of. */
import { imageOf } from "../../../kernel/contracts/sandbox-lab.ts";
import { SDK } from "../../../kernel/drivers/process/test/python-capsule.ts";
import { type Attack, HOST } from "../attack.ts";
import type { Outside } from "../outside.ts";
import { ACTS_ON_ITS_HOST, type HostilePython } from "./python-host.ts";
import { GOES_ROUND_IMPORTS } from "./python-imports.ts";

const THREW = ["TURN_HANDLER_THREW"];
const MEMORY = ["TURN_MEMORY", "TURN_DEADLINE", HOST];

/** Every class there is, by way of what everything is an instance of. */
const CLASSES = `def classes():
    seen, queue = set(), [object]
    while queue:
        one = queue.pop()
        for sub in type.__subclasses__(one):
            if sub not in seen:
                seen.add(sub)
                queue.append(sub)
    return seen
def module_of(name):
    for one in classes():
        found = getattr(getattr(one, "__init__", None), "__globals__", {}).get(name)
        if found is not None and hasattr(found, "__name__"):
            return found
    raise ImportError(name)
`;

const HOSTILE: readonly HostilePython[] = [
  ...ACTS_ON_ITS_HOST,
  ...GOES_ROUND_IMPORTS,
  { name: "loops", go: "while True: pass", ends: ["TURN_DEADLINE"] },
  {
    name: "loops and catches everything",
    go: "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ends: ["TURN_DEADLINE"],
  },
  { name: "computes a giant number", go: "return str(9 ** 9 ** 9)[:1]", ends: MEMORY },
  {
    name: "backtracks in a regular expression",
    go: "import re\nreturn re.match('(a+)+$', 'a' * 40 + '!')",
    ends: ["TURN_DEADLINE"],
  },
  {
    name: "recurses without end",
    go: "def down(): return 1 + down()\nreturn down()",
    ends: [...THREW, HOST],
  },
  {
    name: "takes memory without end",
    go: "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
    ends: MEMORY,
  },
  { name: "doubles a text", go: "text = 'x'\nwhile True: text += text", ends: MEMORY },
  {
    name: "makes a generator without end",
    go: "return sum(1 for _ in iter(int, 1))",
    ends: ["TURN_DEADLINE"],
  },
  {
    name: "floods its output",
    go: "for n in range(200000): print('x' * 500)",
    ends: ["done", "TURN_DEADLINE"],
  },
  {
    name: "floods effects",
    go: "while True: turn.publish('x.v1', 'k', None)",
    ends: ["TURN_EFFECTS_TOO_LARGE", "TURN_DEADLINE", "TURN_MEMORY"],
  },
  {
    name: "returns a coroutine",
    go: "async def later(): return 1\nreturn later()",
    ends: ["TURN_RETURNED_PROMISE", "TURN_EFFECT_INVALID"],
  },
  {
    name: "throws what is no exception of a capsule",
    go: "raise KeyboardInterrupt('x' * 1000000)",
    ends: [...THREW, HOST],
  },
  {
    name: "throws an exception with traps",
    go: "class Trap(Exception):\n    def __str__(self):\n        while True: pass\nraise Trap()",
    ends: [...THREW, "TURN_DEADLINE"],
  },
  {
    name: "returns values with traps",
    go: "class Trap(dict):\n    def items(self):\n        while True: pass\n    keys = values = __iter__ = items\nreturn Trap(a=1)",
    ends: ["done", "TURN_EFFECT_INVALID", "TURN_DEADLINE", "SANDBOX_ANSWER_INVALID"],
  },
  {
    name: "imports what reaches outside",
    go: `got = []
for name in ("os", "socket", "subprocess", "ctypes", "multiprocessing", "threading", "posix", "_socket", "_posixsubprocess", "importlib", "sys", "gc", "mmap", "fcntl"):
    try:
        __import__(name)
        got.append(name)
    except ImportError: pass
return ", ".join(got) or None`,
    ends: ["done"],
  },
  {
    name: "finds a module behind the classes of objects",
    go: `${CLASSES}try:
    os = module_of("os")
except ImportError:
    return None
got = []
for what in (lambda: os.listdir("/"), lambda: os.open(FILE, 0), lambda: os.system("true") == 0 or 1 / 0, lambda: os.fork(), lambda: os.kill(PID, 12), lambda: os.unlink(FILE)):
    try:
        what()
        got.append("something of os")
    except BaseException: pass
return ", ".join(got) or None`,
    ends: ["done", ...THREW, HOST],
  },
  {
    name: "reads by way of a loader",
    go: `${CLASSES}got = None
for one in classes():
    if one.__name__ in ("FileLoader", "SourceFileLoader", "FileIO"):
        try:
            data = one.get_data(None, FILE) if one.__name__ != "FileIO" else one(FILE).read()
            got = "the secret" if SECRET in str(data) else got
        except BaseException: pass
return got`,
    ends: ["done", ...THREW],
  },
  {
    name: "looks through format strings",
    go: `texts = ["{0.__class__.__init__.__globals__}", "{0.__init__.__globals__[__builtins__]}", "{0.keys.__class__.__mro__}"]
for text in texts:
    try:
        if SECRET in text.format(turn) or "VNES_OUTSIDE" in text.format(turn): return "the secret"
    except BaseException: pass
return None`,
    ends: ["done"],
  },
  {
    name: "climbs the frames of who called it",
    go: `try:
    raise ValueError
except ValueError as cause:
    frame = cause.__traceback__.tb_frame
depth = 0
while frame is not None and depth < 100:
    for name, value in list(frame.f_globals.items()) + list(frame.f_locals.items()):
        if isinstance(value, str) and SECRET in value and name not in ("SECRET",): return "the secret"
    frame = frame.f_back
    depth += 1
return None`,
    ends: ["done"],
  },
  {
    name: "takes over its host's functions",
    go: `frame = None
try:
    raise ValueError
except ValueError as cause:
    frame = cause.__traceback__.tb_frame
while frame.f_back is not None: frame = frame.f_back
for name in list(frame.f_globals):
    if callable(frame.f_globals[name]): frame.f_globals[name] = lambda *a, **k: {"turn": 1, "kind": "done", "effects": [{"do": "exec"}]}
return None`,
    ends: ["done", "SANDBOX_ANSWER_INVALID", ...THREW, HOST],
    spoils: true,
  },
  {
    name: "replaces the built-in functions",
    go: "import builtins\nfor name in dir(builtins):\n    setattr(builtins, name, None)",
    ends: [...THREW, "done", HOST, "SANDBOX_ANSWER_INVALID"],
    spoils: true,
  },
  { name: "exits", go: "raise SystemExit(0)", ends: [...THREW, HOST] },
  {
    name: "crashes its interpreter",
    go: `${CLASSES}import random
code = type((lambda: 0).__code__)
function = type(lambda: 0)
base = (lambda: 0).__code__
return function(base.replace(co_code=b"\\x64\\x7f" * 200, co_stacksize=1), {})()`,
    ends: [...THREW, HOST, "TURN_DEADLINE", "done"],
  },
  {
    name: "opens files by every name it knows",
    go: `got = []
for opener in ("open", "__import__"):
    try:
        if SECRET in str(eval(opener)(FILE).read()): got.append(opener)
    except BaseException: pass
return ", ".join(got) or None`,
    ends: ["done"],
  },
];

export const PYTHON: readonly Attack[] = HOSTILE.map(
  ({ name, go, ends, spoils = false, endsItsHost = false }) => ({
    name,
    language: "python",
    ends,
    spoils,
    endsItsHost,
    needsWall: true,
    program: async (outside) => {
      const image = imageOf({ "impl/main.py": sourceOf(go, outside), "impl/vnes.py": SDK });
      return { image, entry: "impl.main:run" };
    },
    gotHold: (answer) => (typeof answer === "string" ? `it got hold of ${answer}` : undefined),
  }),
);

function sourceOf(go: string, { secret, secretFile, folder, port, socketPath, pid }: Outside): string {
  const known = {
    SECRET: secret,
    FILE: secretFile,
    FOLDER: folder,
    PORT: port,
    SOCKET: socketPath,
    PID: pid,
  };
  return `from .vnes import Capsule
${Object.entries(known)
  .map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  .join("\n")}
run = Capsule()
@run.call("t.ok")
def ok(turn, input): return 1
@run.call("t.go")
def go(turn, input):
${go
  .split("\n")
  .map((line) => `    ${line}`)
  .join("\n")}
`;
}
