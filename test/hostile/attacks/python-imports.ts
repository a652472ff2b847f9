/**
 * Python that gets at modules nobody gave it, by tricks of importing and by what format strings reach. That works (H3 of `host.py`); what
 * it then does with `os` and `io` is what counts: `tried` tells what of the outside it got.
 */
import type { HostilePython } from "./python-host.ts";

const THREW = "TURN_HANDLER_THREW";

/** Of a module `os` or `io`, or of anything that leads to them: what could be had of the outside with it. */
const TRIED = `ENVIRONMENT = "_".join(("VNES", "OUTSIDE", "SECRET"))
def modules(one):
    held = getattr(one, "modules", None)
    if type(held) is dict: return [held[name] for name in ("os", "posix", "io", "_io") if held.get(name) is not None]
    return [one]
def tried(ways):
    got = []
    for what, way in ways:
        try: found = modules(way())
        except BaseException: continue
        for module in found:
            for did, act in (
                ("read the secret", lambda: SECRET in module.open(FILE).read()),
                ("read the secret by descriptor", lambda: SECRET.encode() in module.read(module.open(FILE, 0), 4096)),
                ("wrote a file", lambda: module.open(FOLDER + "/new", 0o101, 0o600) >= 0),
                ("listed the machine", lambda: {"boot", "etc", "var"} & set(module.listdir("/"))),
                ("ran a program", lambda: module.system("true") == 0),
                ("forked", lambda: module.fork() >= 0),
                ("signalled the kernel", lambda: module.kill(PID, 12) is None),
                ("saw the environment", lambda: ENVIRONMENT in module.environ),
            ):
                try:
                    if act(): got.append(did + " by " + what)
                except BaseException: pass
    return ", ".join(got) or None
`;

export const GOES_ROUND_IMPORTS: readonly HostilePython[] = [
  {
    name: "imports by tricks: modules that modules have, loaders, relative names, encodings",
    go: `${TRIED}
import collections, typing, functools, json, string
def importer(name):
    return [one for one in type.__subclasses__(object) if one.__name__ == name][0]
return tried([
    ("a module that a module has", lambda: collections._sys),
    ("typing.sys", lambda: typing.sys),
    ("codecs of json", lambda: json.codecs.sys),
    ("the loader of built-in modules", lambda: importer("BuiltinImporter").load_module("posix")),
    ("the loader of frozen modules", lambda: importer("FrozenImporter").load_module("os")),
    ("its own loader", lambda: __spec__.loader.import_("os")),
    ("what its loader holds back", lambda: type(__spec__.loader).import_.__globals__["_import"]("os")),
    ("its globals' builtins", lambda: __builtins__["__import__"]("os")),
    ("the import of another module", lambda: functools.__builtins__["__import__"]("os")),
    ("a relative name", lambda: __import__("os", {"__package__": "a.b", "__name__": "a.b.c"}, None, ("os",), 2)),
    ("a list of names", lambda: __import__("collections", None, None, ("_sys",))._sys),
    ("an encoding of that name", lambda: "x".encode("..os") and None),
    ("a name that is a text of its own kind", lambda: __import__(type("S", (str,), {"__eq__": lambda *_: True, "__hash__": lambda _: hash("json")})("os"))),
    ("exec with builtins of its own", lambda: exec("import os", {"__builtins__": functools.__builtins__}, globals()) or os),
])`,
    ends: ["done"],
  },
  {
    name: "imports by tricks: a folder of the machine put into the path, a hook, a module in the table",
    go: `${TRIED}
import functools, typing
def by_path():
    typing.sys.path.insert(0, FOLDER)
    typing.sys.path_importer_cache.clear()
    return __import__("secret")
def by_hook():
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None): return typing.sys.meta_path[0].find_spec("posix") if name == "x" else None
    typing.sys.meta_path.insert(0, Finder)
    return functools.__builtins__["__import__"]("x")
def by_table():
    typing.sys.modules["json"] = typing.sys.modules["os"]
    import json
    return json
return tried([("the path", by_path), ("a hook", by_hook), ("the table of modules", by_table)])`,
    ends: ["done"],
    spoils: true,
  },
  {
    name: "escapes through format strings: fields, mappings, nested formats, string.Formatter",
    go: `${TRIED}
import string, functools
def field(path, one):
    return string.Formatter().get_field(path, [one], {})[0]
class Spy:
    def __format__(self, spec): raise RuntimeError(spec)
for text in (
    "{0.__class__.__init__.__globals__}", "{0.call.__globals__}", "{0.__class__.__mro__[1].__subclasses__}",
    "{1.__globals__[__builtins__]}", "{1.__globals__[FILE]}{1.__code__.co_consts}",
):
    try: told = text.format(turn, go)
    except BaseException: continue
    if ENVIRONMENT in told: return "the environment, in a text"
for act in (lambda: "{:{}}".format(Spy(), go.__globals__), lambda: "%(x)s" % type("M", (dict,), {"__missing__": lambda *_: go.__globals__})(), lambda: "{x.__class__}".format_map(type("M", (dict,), {"__missing__": lambda *_: turn})())):
    try: told = act()
    except BaseException as cause: told = str(cause)
    if ENVIRONMENT in told: return "the environment, in a format"
return tried([
    ("a field of a function", lambda: field("0.__globals__[__builtins__][__import__]", functools.wraps)("os")),
    ("a field of the turn", lambda: field("0.__class__.__init__.__globals__[json].codecs.sys", turn)),
    ("a field of a class", lambda: field("0._sys", __import__("collections"))),
    ("a field of its loader", lambda: field("0.loader.import_.__globals__[os]", __spec__)),
])`,
    ends: ["done", THREW],
  },
];
