/**
 * What a capsule in Python does to the interpreter it shares with its host, which is no boundary (H3 of `host.py`): bodies of `t.go`. After
 * `DISARM`, `os` and everything else of the library can be had; what is out of reach all the same is so by the wall.
 */
import { HOST } from "../attack.ts";

export interface HostilePython {
  readonly name: string;
  /** Statements; what lies outside is in `SECRET`, `FILE`, `FOLDER`, `PORT`, `SOCKET`, `PID`. */
  readonly go: string;
  readonly ends: readonly string[];
  /** It acts on its interpreter, and has to live with it. */
  readonly spoils?: boolean;
  /** Its turn ends well, and what it says behind it ends its host. */
  readonly endsItsHost?: boolean;
}

const THREW = "TURN_HANDLER_THREW";

const DISARM = `try:
    raise ValueError
except ValueError as cause:
    frame = cause.__traceback__.tb_frame
while frame.f_back is not None: frame = frame.f_back
host = frame.f_globals
host["REFUSED_EVENTS"] = ("nothing of the kind",)
host["LIBRARY"] = ("/",)
host["audit"] = None
os, sys, real_import = host["os"], host["sys"], host["_import"]
`;

/** A frame of the host protocol, written past the host. */
const FORGE = `def forge(line, text=None):
    data = line.encode() if text is None else line.encode() + b"\\n" + text.encode()
    os.write(3, len(data).to_bytes(4, "big") + data)
`;

export const ACTS_ON_ITS_HOST: readonly HostilePython[] = [
  {
    name: "takes its host's guards away and tries everything",
    go: `${DISARM}
got = []
def attempt(what, act):
    try:
        if act(): got.append(what)
    except BaseException: pass
attempt("the secret", lambda: SECRET in open(FILE).read())
attempt("the secret, by os", lambda: SECRET.encode() in os.read(os.open(FILE, os.O_RDONLY), 4096))
attempt("a new file", lambda: os.open(FOLDER + "/new", os.O_CREAT | os.O_WRONLY) >= 0)
attempt("a file of the root", lambda: os.open("/new", os.O_CREAT | os.O_WRONLY) >= 0)
attempt("the folders of the machine", lambda: {"boot", "etc", "mnt", "var"} & set(os.listdir("/")))
attempt("the environment", lambda: "VNES_OUTSIDE_SECRET" in os.environ)
attempt("an environment", lambda: set(os.environ) - {"LANG", "TZ", "PWD", "LC_CTYPE", "PYTHONHASHSEED", "PYTHONUTF8"})
attempt("its own environment", lambda: b"VNES" in open("/proc/self/environ", "rb").read())
attempt("the environment of the kernel", lambda: b"VNES" in open(f"/proc/{PID}/environ", "rb").read())
attempt("the environment of process 1", lambda: b"VNES" in open("/proc/1/environ", "rb").read())
attempt("a descriptor", lambda: set(os.listdir("/proc/self/fd")) - {"0", "1", "2", "3"} - {str(max(map(int, os.listdir("/proc/self/fd"))))})
attempt("a child", lambda: os.fork() >= 0)
attempt("another program", lambda: os.posix_spawn("/bin/true", ["true"], {}) >= 0)
attempt("a program in its place", lambda: os.execv("/bin/sh", ["sh"]))
attempt("the kernel's process", lambda: os.kill(PID, 12) is None)
attempt("every process", lambda: os.kill(-1, 28) is not None)
socket = None
try: socket = real_import("socket")
except BaseException: pass
if socket is not None:
    attempt("a listener on loopback", lambda: socket.create_connection(("127.0.0.1", PORT), 1))
    attempt("a unix socket", lambda: socket.socket(socket.AF_UNIX).connect(SOCKET) is None)
    attempt("another socket like its own", lambda: socket.socket(fileno=os.dup(3)).getpeername() and False)
    attempt("a descriptor over its socket", lambda: socket.socket(fileno=os.dup(3)).recvmsg(1, 65536, socket.MSG_DONTWAIT)[1])
try:
    ctypes = real_import("ctypes")
    libc = ctypes.CDLL(None)
    attempt("a namespace, by ctypes", lambda: libc.unshare(0x10000000) == 0)
    attempt("ptrace, by ctypes", lambda: libc.ptrace(16, 1, 0, 0) == 0)
    attempt("a mount, by ctypes", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
    attempt("another user, by ctypes", lambda: libc.setuid(0) == 0)
except BaseException: pass
return ", ".join(got) or None`,
    ends: ["done"],
    spoils: true,
  },
  {
    name: "answers past its host",
    go: `${DISARM}${FORGE}
batch = None
while frame is not None:
    frame = None
for one in sys._current_frames().values():
    while one is not None:
        message = one.f_locals.get("message")
        if type(message) is dict and message.get("do") == "deliver": batch = message
        one = one.f_back
forge('{"did":"deliver","id":0,"batch":%d,"stops":%d}' % (batch["batch"], batch["stops"]),
      '[{"turn":%d,"kind":"done","effects":[{"do":"exec"}]}]' % batch["turns"][0])
return 1`,
    ends: ["SANDBOX_ANSWER_INVALID", HOST],
  },
  {
    name: "asks its kernel for something",
    go: `${DISARM}${FORGE}
forge('{"do":"open","id":1}')
return 1`,
    ends: ["done", HOST],
    endsItsHost: true,
  },
  {
    name: "has a thread that writes to the kernel for ever",
    go: `${DISARM}${FORGE}
def for_ever():
    while True: forge('{"did":"alive"}')
host["_import"]("_thread").start_new_thread(for_ever, ())
while True: pass`,
    ends: [HOST, "TURN_DEADLINE"],
  },
  {
    name: "hangs up on the kernel from within",
    go: `${DISARM}os.close(3)
return 1`,
    ends: [HOST],
  },
  {
    name: "lets itself be traced by what never ends",
    go: `${DISARM}
def traced(*_):
    while True: pass
sys.setprofile(traced)
return 1`,
    ends: ["TURN_DEADLINE", HOST],
  },
  {
    name: "takes the limit of depth away and goes down",
    go: `${DISARM}sys.setrecursionlimit(10 ** 9)
def down(n): return [down(n + 1), "%s" % n]
return down(0)`,
    ends: [HOST, THREW, "TURN_MEMORY"],
  },
  {
    name: "takes the limit of memory away and fills it",
    go: `${DISARM}resource = host["resource"]
try: resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
except BaseException: pass
kept = []
while True: kept.append(bytearray(b"x" * (1 << 20)))`,
    ends: ["TURN_MEMORY", "TURN_DEADLINE", HOST],
  },
  {
    name: "reads a number of ten million digits",
    go: `return int("9" * 10 ** 7)`,
    ends: [THREW],
  },
  {
    name: "has a text as wide as memory",
    go: `return "{:>9999999999}".format("x")`,
    ends: ["TURN_MEMORY", THREW],
  },
  {
    name: "swallows what ends it",
    go: `class Stubborn:
    def __del__(self):
        while True: pass
Stubborn()
return 1`,
    ends: ["TURN_DEADLINE"],
  },
  {
    name: "returns a dict that is another each time",
    go: `class Two(dict):
    def __init__(self): super().__init__(a=1)
    def items(self): return iter([("a", 1), ("a", 2), ("__proto__", {"admin": True})])
return Two()`,
    ends: ["done", "SANDBOX_ANSWER_INVALID", "TURN_EFFECT_INVALID"],
  },
];
