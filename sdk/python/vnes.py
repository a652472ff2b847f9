"""What the author of a capsule in Python imports: the engine of a capsule's turns, in one file for impl/.

    from .vnes import Capsule, later, refuse

    run = Capsule()

    @run.call("acme.greeter.greet")
    def greet(turn, input, info):
        turn.keys.set("greeted", turn.keys.get("greeted", 0) + 1)
        return {"greeting": "Hello, " + input["name"]}

A capsule is a table of synchronous handlers; each runs one turn to completion and touches nothing but the turn it is given.
Module variables are caches: a turn may run in a fresh interpreter. It does what sdk/src does for TypeScript; what differs is
said where it differs. A handler may take fewer arguments than there are. docs/python.md is the page about it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

from __future__ import annotations

import json
from collections import namedtuple

# For type checkers only; what they say of typing costs a process of a capsule nothing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping, NamedTuple, NoReturn, TypeVar

    #: Plain JSON. What it holds the schemas of spec/ say, and they are checked before a handler runs.
    Json = Any
    Handler = TypeVar("Handler", bound=Callable[..., Any])

    class CallInfo(NamedTuple):
        call_id: str
        caller: str
        deadline_at: int

    class EventInfo(NamedTuple):
        topic: str
        key: str
        partition: int
        seq: int | None

    class BatchInfo(NamedTuple):
        topic: str
        partition: int
else:
    Json = object
    CallInfo = namedtuple("CallInfo", "call_id caller deadline_at")
    EventInfo = namedtuple("EventInfo", "topic key partition seq")
    BatchInfo = namedtuple("BatchInfo", "topic partition")

MAX_JSON_DEPTH = 64
MAX_LOG_LINES = 64
DEFAULT_CACHE_BYTES = 8 * 1024 * 1024
_DEFAULT_TIMEOUT_MS = 5_000
_MAX_LOG_MESSAGE = 2_000
_MAX_LOG_DATA = 16_384
# A guard against a loop that only asks; the kernel's own bound is far below.
_MAX_ASKED = 65_536
_MAX_THROWN = 500
# Of a message that is longer: its beginning, which names something, and its end, which says what is wrong with it.
_MAX_TOLD = 1_000
_MAX_TAIL = 200
# Of a traceback are looked at; a recursion without end has a thousand.
_MAX_FRAMES = 2_000
# What a key costs beside its text and value.
_ENTRY_BYTES = 64
_MAX_SAFE_INTEGER = 2**53 - 1
# JavaScript sorts members with such names before all others, and the kernel is JavaScript.
_MAX_INDEX = 2**32 - 2
_LEVELS = frozenset(("debug", "info", "warn", "error"))


class _Absent:
    __slots__ = ()

    def __repr__(self):
        return "ABSENT"


#: Stands for what None cannot: no value at all, nothing expected.
ABSENT = _Absent()


class _Later:
    __slots__ = ()

    def __repr__(self):
        return "later"


#: Returned by a call handler that will answer in a later turn with `turn.answer(call_id, ...)`.
later = _Later()


def refuse(code: str, message: str, details: Json = ABSENT) -> Json:
    """Returned by a call handler to end the call with a coded error. Effects already asked for are kept."""
    refused = {"code": code, "message": message}
    if details is not ABSENT:
        refused["details"] = details
    return {"refused": refused}


class TurnStop(BaseException):
    """Why a turn ended before its handler returned. No `except Exception` holds it up, and catching it changes nothing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotJson(Exception):
    def __init__(self, path: Iterable[str | int], problem: str) -> None:
        super().__init__(problem)
        self.pointer = "".join("/" + str(name) for name in path)
        self.problem = problem


def copy_json(value: Json) -> tuple[Json, int]:
    """A copy of `value` and about the length of its JSON text. Raises NotJson. Tuples become lists, whole floats become integers."""
    kind = type(value)
    if kind is str:
        return value, len(value) + 2
    if kind is int:
        if -_MAX_SAFE_INTEGER <= value <= _MAX_SAFE_INTEGER:
            return value, 8
    elif value is None:
        return None, 4
    elif kind is bool:
        return value, 5
    size = [0]
    return _copy(value, 0, (), size), size[0]


def _copy(value, depth, path, size):
    kind = type(value)
    if kind is str:
        size[0] += len(value) + 2
        return value
    if kind is int:
        if not -_MAX_SAFE_INTEGER <= value <= _MAX_SAFE_INTEGER:
            raise NotJson(_unfold(path), "integers beyond 2^53 are written as strings")
        size[0] += 8
        return value
    if value is None:
        size[0] += 4
        return None
    if kind is bool:
        size[0] += 5
        return value
    if kind is float:
        size[0] += 8
        return _number(value, path)
    if kind is dict:
        if depth >= MAX_JSON_DEPTH:
            raise NotJson(_unfold(path), "nested deeper than %d" % MAX_JSON_DEPTH)
        return _copy_dict(value, depth, path, size)
    if kind is list or kind is tuple:
        if depth >= MAX_JSON_DEPTH:
            raise NotJson(_unfold(path), "nested deeper than %d" % MAX_JSON_DEPTH)
        size[0] += 2 + len(value)
        return [_copy(member, depth + 1, (path, index), size) for index, member in enumerate(value)]
    raise NotJson(_unfold(path), "a value of type %s is not JSON" % kind.__name__)


def _copy_dict(value, depth, path, size):
    copied = {}
    has_index = False
    size[0] += 2
    for key, member in value.items():
        if type(key) is not str:
            raise NotJson(_unfold(path), "a member's name is a string, not of type %s" % type(key).__name__)
        if key == "__proto__":
            raise NotJson(_unfold(path), "a member must not be called __proto__")
        if key[:1] <= "9" and key.isdecimal():
            has_index = True
        copied[key] = _copy(member, depth + 1, (path, key), size)
        size[0] += len(key) + 4
    return _in_kernel_order(copied) if has_index else copied


def _in_kernel_order(value):
    """What is kept comes back from the kernel with its members in this order; a cached value must not look different."""
    indexes = [key for key in value if _is_index(key)]
    indexes.sort(key=int)
    ordered = {key: value[key] for key in indexes}
    ordered.update(value)
    return ordered


def _is_index(key):
    return key.isascii() and key.isdecimal() and (key == "0" or key[0] != "0") and len(key) < 11 and int(key) <= _MAX_INDEX


def _number(value, path):
    if value != value or value in (float("inf"), float("-inf")):
        raise NotJson(_unfold(path), "%r is not JSON" % value)
    if not value.is_integer():
        return value
    if value == 0 and str(value) == "-0.0":
        raise NotJson(_unfold(path), "-0 does not survive JSON")
    if not -_MAX_SAFE_INTEGER <= value <= _MAX_SAFE_INTEGER:
        raise NotJson(_unfold(path), "integers beyond 2^53 are written as strings")
    # JSON of the kernel knows no 2.0: read again it would be 2.
    return int(value)


def _unfold(path):
    names = []
    while path:
        path, name = path
        names.append(name)
    return reversed(names)


def _thaw(value):
    """Of a value that is JSON already: a copy that a handler may change."""
    kind = type(value)
    if kind is dict:
        return {key: _thaw(member) for key, member in value.items()}
    if kind is list:
        return [_thaw(member) for member in value]
    return value


def _units(text):
    return text.encode("utf-16-be", "surrogatepass")


def sorted_keys(keys: Iterable[str]) -> list[str]:
    """Sorted by UTF-16 code units, as the kernel sorts them."""
    keys = list(keys)
    if all(map(str.isascii, keys)):
        return sorted(keys)
    return sorted(keys, key=_units)


class SeededRandom:
    """Randomness of one turn, from its seed of 16 hex digits. sfc32 by Chris Doty-Humphrey (PractRand), as sdk/src has it."""

    __slots__ = ("_a", "_b", "_c", "_counter")

    def __init__(self, seed: str) -> None:
        self._a = int(seed[:8], 16)
        self._b = int(seed[8:], 16)
        self._c = 0
        self._counter = 1
        for _ in range(12):
            self._next()

    def _next(self) -> int:
        a, b, c = self._a, self._b, self._c
        drawn = (a + b + self._counter) & 0xFFFFFFFF
        self._counter = (self._counter + 1) & 0xFFFFFFFF
        self._a = b ^ (b >> 9)
        self._b = (c + (c << 3)) & 0xFFFFFFFF
        self._c = (((c << 21) | (c >> 11)) + drawn) & 0xFFFFFFFF
        return drawn

    def random(self) -> float:
        """In [0, 1), with 53 bits."""
        return ((self._next() >> 5) * 0x4000000 + (self._next() >> 6)) / 0x20000000000000

    def id(self, prefix: str) -> str:
        return prefix + "_" + "".join("0123456789abcdefghjkmnpqrstvwxyz"[self._next() >> 27] for _ in range(20))


class KeyCache:
    """The capsule's keys as far as this process knows them, and what the running turn changes of them (sdk/src/key-cache.ts).

    known: key to (value, bytes, version), the value ABSENT for a key that does not exist, the version ABSENT when only the kernel knows.
    overlay: key to (value, bytes, options), the running turn's writes.
    """

    def __init__(self) -> None:
        self.known: dict[str, tuple[Json, int, Any]] = {}
        self.complete: set[str] = set()
        self.overlay: dict[str, tuple[Json, int, dict[str, Any] | None]] = {}
        self.bytes = 0
        self.max_bytes = DEFAULT_CACHE_BYTES

    def learn(self, key, value, size, version):
        self._put(key, (value, size + len(key) + _ENTRY_BYTES, version))

    def learn_range(self, prefix):
        if not self.is_complete(prefix):
            self.complete.add(prefix)

    def is_complete(self, prefix):
        for complete in self.complete:
            if prefix.startswith(complete):
                return True
        return False

    def version(self, key: str) -> int | None | _Absent:
        known = self.known.get(key)
        if known is None:
            return None if self.is_complete(key) else ABSENT
        version: int | None | _Absent = known[2]
        return None if known[0] is ABSENT else version

    def entries(self, prefix: str) -> list[tuple[str, Json]] | None:
        if not self.is_complete(prefix):
            return None
        found = {key: value for key, (value, _, _) in self.known.items() if key.startswith(prefix)}
        found.update((key, value) for key, (value, _, _) in self.overlay.items() if key.startswith(prefix))
        there = [key for key, value in found.items() if value is not ABSENT]
        return [(key, _thaw(found[key])) for key in sorted_keys(there)]

    def set(self, key, value, size, options):
        self.overlay[key] = (value, size + len(key) + _ENTRY_BYTES, options)

    def changes(self):
        effects = []
        for key, (value, _, options) in self.overlay.items():
            effect = {"do": "delete", "key": key} if value is ABSENT else {"do": "write", "key": key, "value": value}
            if options:
                effect.update(options)
            effects.append(effect)
        return effects

    def commit(self):
        for key, (value, size, _) in self.overlay.items():
            self._put(key, (value, size, ABSENT))
        self.overlay.clear()

    def trim(self):
        if self.bytes > self.max_bytes:
            self.clear()

    def clear(self):
        self.known.clear()
        self.complete.clear()
        self.overlay.clear()
        self.bytes = 0

    def _put(self, key, cached):
        before = self.known.get(key)
        self.bytes += cached[1] - (0 if before is None else before[1])
        self.known[key] = cached


class Keys:
    """The capsule's own keys. Writes are seen by later reads of the same turn and kept only if the turn succeeds."""

    __slots__ = ("_turn", "_cache")

    def __init__(self, turn: Turn, cache: KeyCache) -> None:
        self._turn = turn
        self._cache = cache

    def get(self, key: str, default: Json = None) -> Json:
        """A copy of the value, or `default` when the key does not exist."""
        turn, cache = self._turn, self._cache
        turn._must_be_open()
        if type(key) is not str:
            turn._text(key, "key")
        cached = cache.overlay.get(key) or cache.known.get(key)
        if cached is None:
            if cache.is_complete(key):
                return default
            turn._need("keys", key)
        return default if cached[0] is ABSENT else _thaw(cached[0])

    def get_all(self, keys: Iterable[str], default: Json = None) -> list[Json]:
        """The value of each, `default` for a key that does not exist. What is not here yet is fetched together."""
        turn, cache = self._turn, self._cache
        turn._must_be_open()
        names = [turn._text(key, "key") for key in keys]
        missing = [key for key in names if key not in cache.overlay and key not in cache.known and not cache.is_complete(key)]
        if missing:
            turn._need("keys", *missing)
        return [self.get(key, default) for key in names]

    def version(self, key: str) -> int | None:
        """Version before this turn: seq of the record that last wrote the key, None when it did not exist."""
        self._turn._must_be_open()
        version = self._cache.version(self._turn._text(key, "key"))
        return self._turn._need("keys", key) if isinstance(version, _Absent) else version

    def set(self, key: str, value: Json, expect: int | None | _Absent = ABSENT, ttl_ms: int | None = None) -> None:
        """`expect`: the turn fails with TURN_VERSION_CONFLICT unless `version(key)` is this. `ttl_ms`: the key is deleted by a turn of its own then."""
        turn = self._turn
        turn._must_be_open()
        turn._text(key, "key")
        try:
            copied, size = copy_json(value)
        except NotJson as cause:
            turn._refuse(cause, "write " + key)
        self._cache.set(key, copied, size, self._options(key, expect, ttl_ms))

    def delete(self, key: str, expect: int | None | _Absent = ABSENT) -> None:
        """Deletes the key, there or not; `expect` as for `set`."""
        self._turn._must_be_open()
        self._turn._text(key, "key")
        self._cache.set(key, ABSENT, 0, self._options(key, expect, None))

    def entries(self, prefix: str) -> list[tuple[str, Json]]:
        """Every key that starts with `prefix` with its value, sorted by UTF-16 code units."""
        self._turn._must_be_open()
        entries = self._cache.entries(self._turn._text(prefix, "prefix"))
        return self._turn._need("ranges", prefix) if entries is None else entries

    def _options(self, key, expect, ttl_ms):
        before = self._cache.overlay.get(key)
        if expect is ABSENT and ttl_ms is None and (before is None or not before[2]):
            return None
        fail = self._turn._fail
        if expect is not ABSENT and expect is not None and not (_is_whole(expect) and expect >= 1):
            fail("TURN_EFFECT_INVALID", "write %s: expect is a version, or None for no such key" % key)
        if ttl_ms is not None and not (_is_whole(ttl_ms) and ttl_ms >= 1):
            fail("TURN_EFFECT_INVALID", "write %s: ttl_ms is a whole number of milliseconds from 1" % key)
        expected = ABSENT if before is None or not before[2] else before[2].get("expect", ABSENT)
        if expected is not ABSENT and expect is not ABSENT and expected != expect:
            fail("TURN_EFFECT_INVALID", "write %s: the same turn expects version %s of it and %s" % (key, expected, expect))
        if expect is ABSENT:
            expect = expected
        options = {}
        if expect is not ABSENT:
            options["expect"] = expect
        if ttl_ms is not None:
            options["ttlMs"] = int(ttl_ms)
        return options


class Turn:
    """One turn while it runs, as a handler is given it. Once the handler has returned it does nothing any more."""

    __slots__ = ("at", "keys", "_seed", "_random", "_effects", "_logs", "_dropped", "_needed", "_failure", "_open")

    def __init__(self, at: int, seed: str, cache: KeyCache) -> None:
        #: Node time in milliseconds; it stands still during the turn.
        self.at = at
        self.keys = Keys(self, cache)
        self._seed = seed
        self._random: SeededRandom | None = None
        self._effects: list[dict[str, Json]] = []
        self._logs: list[dict[str, Json]] = []
        self._dropped = 0
        self._needed: dict[str, dict[str, bool]] | None = None
        self._failure: TurnStop | None = None
        self._open = True

    def random(self) -> float:
        """In [0, 1), from the turn's seed: the same again on replay."""
        self._must_be_open()
        if self._random is None:
            self._random = SeededRandom(self._seed)
        return self._random.random()

    def id(self, prefix: str) -> str:
        """`<prefix>_` and 20 characters from the turn's seed."""
        self._must_be_open()
        if self._random is None:
            self._random = SeededRandom(self._seed)
        return self._random.id(self._text(prefix, "id prefix"))

    def publish(self, topic: str, key: str, event: Json) -> None:
        """Publishes an event; events of one key stay in order. The manifest lists the topic under bus.publishes."""
        self._must_be_open()
        what = "publish %s" % (topic,)
        topic, key = self._text(topic, what), self._text(key, what)
        self._ask({"do": "publish", "topic": topic, "key": key, "event": self._json(event, what)})

    def call(
        self,
        capability: str,
        method: str,
        input: Json,
        tag: str,
        context: Json = None,
        timeout_ms: int = _DEFAULT_TIMEOUT_MS,
    ) -> None:
        """Asks a capability; the end of it arrives, in a later turn, at the answer handler of `tag`, `context` with it."""
        self._must_be_open()
        what = "call %s.%s" % (capability, method)
        self._ask(
            {
                "do": "call",
                "tag": self._text(tag, what),
                "capability": self._text(capability, what),
                "method": self._text(method, what),
                "input": self._json(input, what),
                "context": self._json(context, what),
                "timeoutMs": self._whole(timeout_ms, what),
            }
        )

    def read(
        self,
        capsule: str,
        tag: str,
        keys: Iterable[str] | None = None,
        prefix: str | None = None,
        shard: int | None = None,
        after: str | None = None,
        limit: int | None = None,
        context: Json = None,
        timeout_ms: int = _DEFAULT_TIMEOUT_MS,
    ) -> None:
        """Asks for keys of another capsule: either `keys` or a `prefix`. The end of it arrives at the answer handler of `tag`."""
        self._must_be_open()
        what = "read %s" % (capsule,)
        if (keys is None) == (prefix is None):
            self._fail("TURN_EFFECT_INVALID", "%s: name either keys or a prefix" % what)
        effect = {"do": "read", "tag": self._text(tag, what), "capsule": self._text(capsule, what)}
        names = None if keys is None else list(keys)
        query = {"shard": shard, "keys": names, "prefix": prefix, "after": after, "limit": limit}
        effect.update((name, self._json(value, what)) for name, value in query.items() if value is not None)
        effect["context"] = self._json(context, what)
        effect["timeoutMs"] = self._whole(timeout_ms, what)
        self._ask(effect)

    def answer(self, call_id: str, answer: Json) -> None:
        """Ends a call whose handler returned `later`: {"ok": True, "value": ...} or {"ok": False, "code": ..., "message": ...}."""
        self._must_be_open()
        what = "answer %s" % (call_id,)
        copied = self._json(answer, what)
        if not _is_answer(copied):
            self._fail("TURN_EFFECT_INVALID", "%s: not { ok: true, value } or { ok: false, code, message }" % what)
        self._ask({"do": "answer", "callId": self._text(call_id, what), "answer": copied})

    def set_timer(self, id: str, at: int, payload: Json = None) -> None:
        """Sets or replaces the timer `id`; it fires at or after node time `at`, in milliseconds, and `payload` comes with it."""
        self._must_be_open()
        what = "timer %s" % (id,)
        id, at = self._text(id, what), self._whole(at, what)
        self._ask({"do": "setTimer", "id": id, "at": at, "payload": self._json(payload, what)})

    def cancel_timer(self, id: str) -> None:
        """One that is not set is none to cancel: nothing happens."""
        self._must_be_open()
        self._ask({"do": "cancelTimer", "id": self._text(id, "cancelTimer")})

    def log(self, level: str, message: object, data: Json = ABSENT) -> None:
        """A line of the turn in the node's log, kept only if the turn succeeds; `level`: debug, info, warn, error."""
        self._must_be_open()
        if len(self._logs) >= MAX_LOG_LINES:
            self._dropped += 1
            return
        line = {"level": level if level in _LEVELS else "info", "message": str(message)[:_MAX_LOG_MESSAGE]}
        if data is not ABSENT:
            line["data"] = _log_data(data)
        self._logs.append(line)

    def _close(self):
        self._open = False
        if self._dropped > 0:
            self._logs.append({"level": "warn", "message": "%d more lines of this turn were dropped" % self._dropped})

    def _fail(self, code: str, message: str) -> NoReturn:
        if self._failure is None:
            if len(message) > _MAX_TOLD:
                message = message[:_MAX_THROWN] + "..." + message[-_MAX_TAIL:]
            self._failure = TurnStop(code, message)
        raise self._failure

    def _need(self, kind: str, *names: str) -> NoReturn:
        if self._needed is None:
            self._needed = {"keys": {}, "ranges": {}}
        self._needed[kind].update((name, True) for name in names)
        raise TurnStop("NEEDS_KEYS", names[0] + " is not here yet")

    def _ask(self, effect):
        if len(self._effects) >= _MAX_ASKED:
            self._fail("TURN_EFFECTS_TOO_LARGE", "more than %d effects" % _MAX_ASKED)
        self._effects.append(effect)

    def _json(self, value, what):
        try:
            return copy_json(value)[0]
        except NotJson as cause:
            return self._refuse(cause, what)

    def _refuse(self, cause: NotJson, what: str) -> NoReturn:
        self._fail("TURN_EFFECT_INVALID", "%s: %s: %s" % (what, cause.pointer or "/", cause.problem))

    def _text(self, value, what):
        if type(value) is not str:
            self._fail("TURN_EFFECT_INVALID", "%s: a value of type %s where a string belongs" % (what, type(value).__name__))
        return value

    def _whole(self, value, what):
        if not _is_whole(value):
            self._fail("TURN_EFFECT_INVALID", "%s: milliseconds are whole numbers" % what)
        return int(value)

    def _must_be_open(self):
        if not self._open:
            raise TurnStop("TURN_OVER", "this turn is over: a Turn must not be kept for later")


def _is_whole(value):
    if type(value) is float and value.is_integer():
        value = int(value)
    return type(value) is int and -_MAX_SAFE_INTEGER <= value <= _MAX_SAFE_INTEGER


def _is_answer(answer):
    if type(answer) is not dict:
        return False
    if answer.get("ok") is True:
        return "value" in answer
    return answer.get("ok") is False and type(answer.get("code")) is str and type(answer.get("message")) is str


def _log_data(data):
    try:
        value, size = copy_json(data)
        return value if size <= _MAX_LOG_DATA else "(%d bytes, left out)" % size
    except (NotJson, RecursionError):
        return "(not JSON, left out)"


class Capsule:
    """The table of a capsule's handlers, filled by decorators or given as dicts; called with a turn's request it gives its result.

    start(turn, config, resumed); events[topic](turn, event, info); batches[topic](turn, events, info);
    calls["capability.method"](turn, input, info) returns the answer; answers[tag](turn, answer, context, call_id);
    timers[name](turn, payload, id, due_at), by the part of the timer's id before its first colon.
    """

    def __init__(
        self,
        start: Callable[..., Any] | None = None,
        events: Mapping[str, Callable[..., Any]] | None = None,
        batches: Mapping[str, Callable[..., Any]] | None = None,
        calls: Mapping[str, Callable[..., Any]] | None = None,
        answers: Mapping[str, Callable[..., Any]] | None = None,
        timers: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self._cache = KeyCache()
        self._start = None if start is None else _fitting(start, 3)
        self._events = _table(events, 3)
        self._batches = _table(batches, 3)
        self._calls = _table(calls, 3)
        self._answers = _table(answers, 4)
        self._timers = _table(timers, 4)

    def start(self, handler: Handler) -> Handler:
        """`@run.start` before `(turn, config, resumed)`: the first turn of every boot."""
        self._start = _fitting(handler, 3)
        return handler

    def event(self, topic: str) -> Callable[[Handler], Handler]:
        """`@run.event("acme.fed.v1")` before `(turn, event, info)`."""
        return _entry(self._events, topic, 3)

    def batch(self, topic: str) -> Callable[[Handler], Handler]:
        """`@run.batch("acme.fed.v1")` before `(turn, events, info)`; an event is a dict of seq, key and event."""
        return _entry(self._batches, topic, 3)

    def call(self, method: str) -> Callable[[Handler], Handler]:
        """`@run.call("acme.greeter.greet")`, capability and method, before `(turn, input, info)`, which returns the answer."""
        return _entry(self._calls, method, 3)

    def answer(self, tag: str) -> Callable[[Handler], Handler]:
        """`@run.answer("greeted")` before `(turn, answer, context, call_id)`: the end of a call or read that was given this tag."""
        return _entry(self._answers, tag, 4)

    def timer(self, name: str) -> Callable[[Handler], Handler]:
        """`@run.timer("fade")` before `(turn, payload, id, due_at)`: of timers called fade or fade:whatever."""
        return _entry(self._timers, name, 4)

    def reset(self) -> None:
        """Drops every cached key. Module variables of the capsule stay: they are caches of its own."""
        self._cache.clear()

    def set_cache_bytes(self, size: int) -> None:
        """Beyond this the cache is dropped between turns."""
        self._cache.max_bytes = size

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        cache = self._cache
        number = request["turn"]
        self._learn(request)
        turn = Turn(request["at"], request["seed"], cache)
        thrown = None
        try:
            self._run(turn, request["delivery"])
        except MemoryError:
            cache.clear()
            raise
        except BaseException as what:
            thrown = describe_thrown(what)
        turn._close()
        # Before anything else: what a handler did without a key it asked for means nothing.
        if turn._needed is not None:
            needed = turn._needed
            result = {"turn": number, "kind": "needKeys", "keys": list(needed["keys"]), "ranges": list(needed["ranges"])}
        elif turn._failure is not None:
            result = _failed(number, turn._failure.code, turn._failure.message)
        elif thrown is not None:
            result = _failed(number, "TURN_HANDLER_THREW", thrown)
        else:
            effects = cache.changes()
            effects += turn._effects
            result = {"turn": number, "kind": "done", "effects": effects}
            if turn._logs:
                result["logs"] = turn._logs
            cache.commit()
        cache.overlay.clear()
        cache.trim()
        return result

    def _learn(self, request):
        for given in request.get("keys", ()):
            if len(given) == 1:
                self._cache.learn(given[0], ABSENT, 0, None)
            else:
                version = given[2] if len(given) > 2 else ABSENT
                self._cache.learn(given[0], given[1], _size(given[1]), version)
        for prefix in request.get("ranges", ()):
            self._cache.learn_range(prefix)

    def _run(self, turn, delivery):
        kind = delivery["kind"]
        if kind == "call":
            return self._run_call(turn, delivery)
        if kind == "event":
            topic = delivery["topic"]
            handler = self._events.get(topic) or _missing(turn, "events", topic)
            info = EventInfo(topic, delivery["key"], delivery["partition"], delivery["seq"])
            return _ended(turn, handler(turn, delivery["event"], info))
        if kind == "batch":
            topic = delivery["topic"]
            handler = self._batches.get(topic) or _missing(turn, "batches", topic)
            return _ended(turn, handler(turn, delivery["events"], BatchInfo(topic, delivery["partition"])))
        if kind == "answer":
            tag = delivery["tag"]
            handler = self._answers.get(tag) or _missing(turn, "answers", tag)
            return _ended(turn, handler(turn, delivery["answer"], delivery["context"], delivery["callId"]))
        if kind == "timer":
            id = delivery["id"]
            name = id.partition(":")[0]
            handler = self._timers.get(name) or _missing(turn, "timers", name)
            return _ended(turn, handler(turn, delivery["payload"], id, delivery["dueAt"]))
        if kind == "start":
            if self._start is not None:
                _ended(turn, self._start(turn, delivery["config"], delivery["resumed"]))
            return None
        # An expiry: the capsule has no handler for it.
        return turn.keys.delete(delivery["key"])

    def _run_call(self, turn, delivery):
        name = delivery["capability"] + "." + delivery["method"]
        call_id = delivery["callId"]
        handler = self._calls.get(name)
        if handler is None:
            answer = {"ok": False, "code": "CALL_METHOD_UNKNOWN", "message": name + " has no handler here"}
        else:
            returned = handler(turn, delivery["input"], CallInfo(call_id, delivery["caller"], delivery["deadlineAt"]))
            if returned is later:
                return
            _ended(turn, returned)
            try:
                value = copy_json(returned)[0]
            except NotJson as cause:
                turn._refuse(cause, "answer of " + name)
            refused = _refusal_of(value)
            answer = {"ok": True, "value": value} if refused is None else {"ok": False, **refused}
        turn._ask({"do": "answer", "callId": call_id, "answer": answer})


def _size(value):
    try:
        return copy_json(value)[1]
    except NotJson:
        # What the kernel gives may be beyond what a capsule may write.
        return len(json.dumps(value))


def _failed(turn, code, message):
    return {"turn": turn, "kind": "failed", "code": code, "message": message}


def _ended(turn, returned):
    """A turn is synchronous: what a coroutine or a generator does later would be in no turn."""
    if returned is None or type(returned) in (str, int, float, bool, dict, list, tuple):
        return
    if is_unfinished(returned):
        close = getattr(returned, "close", None)
        if close is not None:
            close()
        turn._fail("TURN_RETURNED_PROMISE", "the handler returned something to be awaited; handlers are synchronous")


def is_unfinished(value):
    """A coroutine, a generator of either kind, or anything else to be awaited or iterated later."""
    kind = type(value)
    return hasattr(kind, "__await__") or hasattr(kind, "send") or hasattr(kind, "asend")


def _refusal_of(value):
    """What `refuse` made: a member `refused` and nothing else."""
    if type(value) is not dict or len(value) != 1:
        return None
    refused = value.get("refused")
    if type(refused) is not dict or type(refused.get("code")) is not str or type(refused.get("message")) is not str:
        return None
    return refused


def _missing(turn, table, name):
    turn._fail("TURN_HANDLER_MISSING", "the capsule has no %s[%s]" % (table, json.dumps(name, ensure_ascii=False)))


def describe_thrown(thrown):
    """What a handler raised, in words, and where in the capsule. Looking at it may raise again."""
    try:
        text = "%s: %s" % (type(thrown).__name__, thrown)
        return (text if len(text) <= _MAX_THROWN else text[:_MAX_THROWN] + "...") + _place_of(thrown)
    except MemoryError:
        raise
    except BaseException:
        return "raised something that cannot be described"


def _place_of(thrown):
    """The innermost line of the capsule's own modules that led there; a library's line says little to its author."""
    place = ""
    frame = thrown.__traceback__
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        file = frame.tb_frame.f_code.co_filename
        if file != __file__ and file.startswith("impl/"):
            place = " (%s, line %d)" % (file, frame.tb_lineno)
        frame = frame.tb_next
    return place


def _table(handlers, most):
    return {} if handlers is None else {name: _fitting(handler, most) for name, handler in handlers.items()}


def _entry(table: dict[str, Callable[..., Any]], name: str, most: int) -> Callable[[Handler], Handler]:
    if type(name) is not str:
        raise TypeError('say what the handler is for, as in @run.call("acme.greeter.greet")')

    def keep(handler: Handler) -> Handler:
        if name in table:
            raise ValueError("two handlers for %s: the second would replace the first" % name)
        table[name] = _fitting(handler, most)
        return handler

    return keep


def _fitting(handler, most):
    """A handler that names fewer arguments is given fewer."""
    code = getattr(handler, "__code__", None)
    if code is None or code.co_flags & 0x04:
        return handler
    # Of a bound method the first one is taken.
    taken = code.co_argcount - (getattr(handler, "__self__", None) is not None)
    if taken >= most:
        return handler
    return lambda *given: handler(*given[:taken])
