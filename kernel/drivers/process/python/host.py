"""The process of one capsule in Python: speaks the host protocol on descriptor 3 (docs/host-protocol.md).

H1. The capsule's modules come with `open`; nothing of a capsule is read from disk.
H2. Time and randomness are the turn's, for everything in this process: they are replaced before any of the capsule is loaded.
H3. What reaches outside is refused by an audit hook, and most of the library is not importable. That keeps an honest capsule
    deterministic and stops a careless one. It is no boundary: Python cannot confine Python. The wall around the process is.
H4. Results leave at least every 5 ms and before the process waits: silence means that one turn runs.
H5. Whatever is answered here is judged by the kernel; a capsule that forges results spoils its own turns.
"""

import sys

for _name in ("_datetime",):
    # Without it the library's own datetime is used, which asks `time` (H2).
    sys.modules[_name] = None

import base64
import builtins
import importlib.machinery
import json
import os
import resource
import time
import types

KERNEL_FD = 3
PROTOCOL = 1
EXIT_PROTOCOL = 70
MAX_FRAME = 64 * 1024 * 1024
READ_BYTES = 256 * 1024
FLUSH_S = 0.005
# Results that leave at once: far below what a message may hold, so that a batch of large turns leaves in several.
FLUSH_CHARS = 512 * 1024
MAX_LINES = 64
MAX_LINE = 2_000
MAX_REASON = 500
MEGABYTE = 1024 * 1024
# What the interpreter needs besides the capsule, and what is let go of to answer that memory has run out.
INTERPRETER_BYTES = 24 * MEGABYTE
ANSWER_BYTES = 16 * MEGABYTE
NO_SEED = "0" * 16

_monotonic = time.monotonic
_gmtime = time.gmtime
_strftime = time.strftime
_asctime = time.asctime
_decode = json.JSONDecoder().decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_read = os.read
_write = os.write
_exit = os._exit
_setrlimit = resource.setrlimit
_getrlimit = resource.getrlimit

ALLOWED = frozenset(
    """__future__ _strptime abc array base64 bisect binascii calendar cmath codecs collections collections.abc colorsys
    contextlib copy csv dataclasses datetime decimal difflib enum fnmatch fractions functools graphlib hashlib heapq hmac html
    html.entities html.parser io ipaddress itertools json json.decoder json.encoder keyword math numbers operator pprint random
    re reprlib secrets statistics string stringprep struct textwrap time token tokenize types typing unicodedata urllib
    urllib.parse uuid zlib""".split()
)
# Of `builtins`; what a capsule has no use for, or what reaches outside.
WITHHELD = ("open", "input", "breakpoint", "help", "exit", "quit", "copyright", "credits", "license")
REFUSED_EVENTS = (
    "_thread.",
    "ctypes.",
    "fcntl.",
    "ftplib.",
    "glob.",
    "http.",
    "imaplib.",
    "mmap.",
    "msvcrt.",
    "os.",
    "poplib.",
    "pty.",
    "resource.",
    "shutil.",
    "signal.",
    "smtplib.",
    "socket.",
    "sqlite3.",
    "subprocess.",
    "syslog.",
    "tempfile.",
    "urllib.",
    "webbrowser.",
)


class State:
    """Of the turn that runs."""

    at = 0
    seed = NO_SEED
    stream = None
    lines = []
    dropped = 0


# --- H2: time and randomness -----------------------------------------------------------------------------------------


class Stream:
    """sfc32 from the turn's seed, apart from the sdk's stream of it."""

    def __init__(self, seed):
        self.a, self.b, self.c, self.counter = int(seed[:8], 16) ^ 0x9E3779B9, int(seed[8:], 16), 0x5BF03635, 1
        for _ in range(12):
            self.next()

    def next(self):
        a, b, c = self.a, self.b, self.c
        drawn = (a + b + self.counter) & 0xFFFFFFFF
        self.counter = (self.counter + 1) & 0xFFFFFFFF
        self.a = b ^ (b >> 9)
        self.b = (c + (c << 3)) & 0xFFFFFFFF
        self.c = (((c << 21) | (c >> 11)) + drawn) & 0xFFFFFFFF
        return drawn


def turn_random(size):
    if State.stream is None:
        State.stream = Stream(State.seed)
    draw = State.stream.next
    return b"".join(draw().to_bytes(4, "big") for _ in range((size + 3) // 4))[:size]


def turn_time():
    turn_clock = types.ModuleType("time", time.__doc__)
    turn_clock.__dict__.update(time.__dict__)

    def seconds():
        return State.at / 1000

    def nanoseconds():
        return State.at * 1_000_000

    def moment(seconds=None):
        return _gmtime(State.at / 1000 if seconds is None else seconds)

    def sleep(seconds):
        raise RuntimeError("a turn does not wait: use turn.set_timer")

    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(turn_clock, name, seconds)
        setattr(turn_clock, name + "_ns", nanoseconds)
    turn_clock.gmtime = turn_clock.localtime = moment
    turn_clock.sleep = sleep
    turn_clock.ctime = lambda seconds=None: _asctime(moment(seconds))
    turn_clock.asctime = lambda given=None: _asctime(moment() if given is None else given)
    turn_clock.strftime = lambda format, given=None: _strftime(format, moment() if given is None else given)
    for name in ("clock_gettime", "clock_gettime_ns", "clock_settime", "clock_settime_ns", "pthread_getcpuclockid", "tzset"):
        turn_clock.__dict__.pop(name, None)
    return turn_clock


def take_over_the_machine():
    os.urandom = turn_random
    os.getrandom = lambda size, flags=0: turn_random(size)
    sys.modules["time"] = turn_time()


def seed_for_turn(seed):
    State.seed = seed
    State.stream = None
    library = sys.modules.get("random")
    if library is not None and hasattr(library, "_inst"):
        library._inst.seed(int(seed, 16))


def tame(name):
    """What a module of the library still takes from the machine once it is loaded."""
    module = sys.modules[name]
    if name == "random" and not hasattr(module.Random, "tamed"):
        real_seed = module.Random.seed

        def seed(self, a=None, version=2):
            real_seed(self, int.from_bytes(turn_random(16), "big") if a is None else a, version)

        module.Random.seed = seed
        module.Random.tamed = True
        module.seed = module._inst.seed
        module._inst.seed(int(State.seed, 16))
    if name == "uuid":

        def refused(*_, **__):
            raise RuntimeError("it names this machine and its clock: use uuid4 or turn.id")

        for made_here in ("uuid1", "uuid6", "uuid7", "getnode"):
            if hasattr(module, made_here):
                setattr(module, made_here, refused)


# --- H3: what is not there -------------------------------------------------------------------------------------------


def audit(event, args):
    if event == "open":
        path, mode, flags = args
        if type(path) is str and path.startswith(LIBRARY) and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        raise PermissionError("a capsule opens no files")
    if event.startswith(REFUSED_EVENTS):
        if event in ("os.listdir", "os.scandir") and type(args[0]) is str and args[0].startswith(LIBRARY):
            return
        if event == "resource.setrlimit" and is_answering:
            return
        raise PermissionError("a capsule has no %s" % event)


LIBRARY = tuple(
    {os.path.dirname(os.__file__) + os.sep, os.path.dirname(importlib.machinery.__file__) + os.sep}
    | {path + os.sep for path in sys.path if path != "" and path != os.path.dirname(os.path.abspath(__file__))}
)
is_answering = False


# --- H1: the capsule's modules ---------------------------------------------------------------------------------------


class ImageImporter:
    """Finds and loads modules of the image: `a.b` is a/b.py, a/b/__init__.py, or the same below impl/."""

    def __init__(self, files):
        self.files = files
        self.folders = {path[: index] for path in files for index, char in enumerate(path) if char == "/"}
        self.guarded = dict(vars(builtins))
        for name in WITHHELD:
            self.guarded.pop(name, None)
        self.guarded["__import__"] = self.import_

    def place(self, name):
        """(path of the source or None for a folder, whether it is a package)."""
        path = name.replace(".", "/")
        for base in ("", "impl/"):
            if base + path + "/__init__.py" in self.files:
                return base + path + "/__init__.py", True
            if base + path + ".py" in self.files:
                return base + path + ".py", False
        for base in ("", "impl/"):
            if base + path in self.folders:
                return None, True
        return None

    def import_(self, name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0 and self.place(name.partition(".")[0]) is None:
            wanted = [name] if name in ALLOWED and name != "urllib" else [name + "." + each for each in fromlist or ()]
            if not wanted or any(each not in ALLOWED for each in wanted):
                raise ImportError("%s is not there for capsules" % name, name=name)
            loaded = _import(name, globals, locals, fromlist, level)
            for each in ("random", "uuid"):
                if each in sys.modules:
                    tame(each)
            return loaded
        return _import(name, globals, locals, fromlist, level)

    # The importlib protocol.

    def find_spec(self, name, path=None, target=None):
        found = self.place(name)
        if found is None:
            return None
        source, is_package = found
        spec = importlib.machinery.ModuleSpec(name, self, origin=source, is_package=is_package)
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        source = module.__spec__.origin
        module.__dict__["__builtins__"] = self.guarded
        if source is None:
            return
        module.__dict__["__file__"] = source
        exec(compile(self.files[source], source, "exec", dont_inherit=True), module.__dict__)


_import = builtins.__import__


class Lines:
    """Standard output or error of the capsule: lines of the turn that runs."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, level):
        self.level = level
        self.partial = ""

    def write(self, text):
        if type(text) is not str:
            raise TypeError("write() argument must be str")
        if len(self.partial) + len(text) > 64 * MAX_LINE:
            # A flood without an end of line.
            self.partial = self.partial[:MAX_LINE]
        *whole, self.partial = (self.partial + text).split("\n")
        for line in whole:
            self.say(line)
        return len(text)

    def say(self, line):
        if len(State.lines) >= MAX_LINES:
            State.dropped += 1
        else:
            State.lines.append({"level": self.level, "message": line[:MAX_LINE]})

    def end_turn(self):
        if self.partial != "":
            self.say(self.partial)
            self.partial = ""

    def flush(self):
        pass

    def isatty(self):
        return False

    def writable(self):
        return True


# --- The host --------------------------------------------------------------------------------------------------------


class Host:
    def __init__(self):
        self.run = None
        self.stops = 0
        self.limits = None
        self.out = []
        self.last_flush = _monotonic()
        self.printed = (Lines("info"), Lines("error"))

    def serve(self):
        buffer = bytearray()
        greeted = False
        while True:
            chunk = _read(KERNEL_FD, READ_BYTES)
            if chunk == b"":
                _exit(0)
            buffer += chunk
            start = 0
            while len(buffer) - start >= 4:
                size = int.from_bytes(buffer[start : start + 4], "big")
                if size > MAX_FRAME:
                    raise ValueError("a frame of %d bytes" % size)
                if len(buffer) - start - 4 < size:
                    break
                body = bytes(buffer[start + 4 : start + 4 + size])
                start += 4 + size
                line, _, text = body.partition(b"\n")
                message = _decode(line.decode())
                if greeted:
                    self.obey(message, text)
                else:
                    self.greet(message)
                    greeted = True
            del buffer[:start]
            self.flush()

    def greet(self, message):
        self.send({"hello": {"protocol": PROTOCOL, "pid": os.getpid()}})
        self.flush()
        if message.get("hello", {}).get("protocol") != PROTOCOL:
            raise ValueError("the kernel speaks another protocol than %d" % PROTOCOL)

    def obey(self, message, text):
        do = message["do"]
        if do == "deliver":
            self.deliver(message, text)
        elif do == "open":
            self.open(message, text)
        elif do == "reset":
            reset = getattr(self.run, "reset", None)
            if reset is not None:
                try:
                    reset()
                except Exception:
                    # It brought its own; what it keeps is its own affair.
                    pass
            self.send({"did": "ask", "ask": message["ask"]})
        else:
            raise ValueError("the kernel says %r" % do)

    def open(self, message, text):
        self.limits = message["limits"]
        limit = self.limits["memoryMb"] * MEGABYTE + INTERPRETER_BYTES
        try:
            _setrlimit(resource.RLIMIT_DATA, (limit, limit + ANSWER_BYTES))
            self.run = load(message["entry"], text)
            keep = getattr(self.run, "set_cache_bytes", None)
            if keep is not None:
                keep(self.limits["cacheBytes"])
        except BaseException as cause:
            raise_to_answer()
            return self.send({"did": "fail", "id": message["id"], "reason": describe(cause)})
        sys.stdout, sys.stderr = self.printed
        self.send({"did": "open", "id": message["id"]})

    def deliver(self, message, text):
        turns = message["turns"]
        results = []
        if message["stops"] != self.stops:
            results.append(not_run(turns))
        else:
            chars = 0
            for index, request in enumerate(_decode(text.decode())):
                result, stopped = self.turn(request)
                results.append(result)
                chars += len(result)
                if stopped:
                    self.stops += 1
                    if index + 1 < len(turns):
                        results.append(not_run(turns[index + 1 :]))
                    break
                if index + 1 < len(turns) and (_monotonic() - self.last_flush >= FLUSH_S or chars > FLUSH_CHARS):
                    self.answer(message, results, True)
                    self.flush()
                    results = []
                    chars = 0
        self.answer(message, results, False)
        if _monotonic() - self.last_flush >= FLUSH_S or len(self.out) > 512:
            self.flush()

    def answer(self, message, results, more):
        told = {"did": "deliver", "id": message["id"], "batch": message["batch"], "stops": self.stops}
        if more:
            told["more"] = True
        self.send(told, "[" + ",".join(results) + "]")

    def turn(self, request):
        """JSON of the result, and whether nothing behind it may run."""
        number = request["turn"]
        State.at = request["at"]
        State.lines = []
        State.dropped = 0
        seed_for_turn(request["seed"])
        try:
            text, stopped = self.result(number, request)
        except MemoryError:
            text = None
        except BaseException as cause:
            return failed(number, "SANDBOX_ANSWER_INVALID", "the capsule's own run raised " + describe(cause)), False
        if text is None:
            raise_to_answer()
            at_most = "the turn was stopped at its memory limit of %d MB" % self.limits["memoryMb"]
            return failed(number, "TURN_MEMORY", at_most), True
        return text, stopped

    def result(self, number, request):
        result = self.run(request)
        if type(result) is not dict:
            if is_unfinished(result):
                return failed(number, "TURN_RETURNED_PROMISE", "the entry returned something to be awaited"), False
            return failed(number, "SANDBOX_ANSWER_INVALID", "the entry returned a " + type(result).__name__), False
        kind = result.get("kind")
        for printed in self.printed:
            if printed.partial != "":
                printed.end_turn()
        if State.lines and kind == "done":
            if State.dropped > 0:
                dropped = "%d more printed lines of this turn were dropped" % State.dropped
                State.lines.append({"level": "warn", "message": dropped})
            result["logs"] = [*result.get("logs", ()), *State.lines]
        text = encode(result)
        # A character takes four bytes at most.
        if len(text) * 4 > self.limits["effectBytes"] and kind == "done":
            size = len(encode(result.get("effects")).encode("utf-8", "surrogatepass"))
            if size > self.limits["effectBytes"]:
                reset = getattr(self.run, "reset", None)
                if reset is not None:
                    reset()
                most = "the effects of the turn take %d bytes; at most %d are allowed" % (size, self.limits["effectBytes"])
                return failed(number, "TURN_EFFECTS_TOO_LARGE", most), False
        return text, kind == "needKeys"

    def send(self, message, text=None):
        body = _encode_ascii(message) if text is None else _encode_ascii(message) + "\n" + text
        data = body.encode("utf-8", "surrogatepass")
        self.out.append(len(data).to_bytes(4, "big") + data)

    def flush(self):
        self.last_flush = _monotonic()
        if not self.out:
            return
        left = memoryview(b"".join(self.out))
        self.out.clear()
        while left:
            left = left[_write(KERNEL_FD, left) :]


def load(entry, text):
    name, colon, function = entry.partition(":")
    if colon == "" or not function.isidentifier() or not all(part.isidentifier() for part in name.split(".")):
        raise ImportError("the entry %r is not module.path:function" % entry)
    files = {path: base64.b64decode(data) for path, data in _decode(text.decode()).items()}
    importer = ImageImporter(files)
    if importer.place(name) is None:
        raise ImportError("the image has no module %s" % name)
    sys.meta_path.insert(0, importer)
    sys.addaudithook(audit)
    module = _import(name, fromlist=(function,))
    run = getattr(module, function, None)
    if not callable(run):
        raise ImportError("%s has no function %s" % (name, function))
    return run


def raise_to_answer():
    """Memory has run out, and saying so takes some."""
    global is_answering
    is_answering = True
    try:
        most = _getrlimit(resource.RLIMIT_DATA)[1]
        _setrlimit(resource.RLIMIT_DATA, (most, most))
    finally:
        is_answering = False


def encode(value):
    text = _encode(value)
    if text.isascii():
        return text
    try:
        # Half a surrogate pair has no UTF-8; JSON writes it as an escape.
        text.encode()
    except UnicodeEncodeError:
        text = _encode_ascii(value)
    return text


def failed(turn, code, message):
    return _encode_ascii({"turn": turn, "kind": "failed", "code": code, "message": message})


def not_run(turns):
    return ",".join('{"turn":%d,"kind":"needKeys","keys":[],"ranges":[]}' % turn for turn in turns)


def is_unfinished(value):
    kind = type(value)
    return hasattr(kind, "__await__") or hasattr(kind, "send") or hasattr(kind, "asend")


def describe(cause):
    try:
        return ("%s: %s" % (type(cause).__name__, cause))[:MAX_REASON]
    except BaseException:
        return "something that cannot be described"


take_over_the_machine()
try:
    Host().serve()
except BaseException as cause:
    try:
        _write(2, ("Error: %s\n" % describe(cause)).encode("utf-8", "replace"))
    finally:
        _exit(EXIT_PROTOCOL)
