/** What hostile capsules there have to be at least, in the words of the list, each with its attacks as `language name`. */
import type { Attack } from "./attack.ts";

export const BAD_INPUT: { readonly [kind: string]: readonly string[] } = {
  "endless loop": ["javascript loops", "wasm loops", "python loops", "native loops"],
  "microtask flood": ["javascript floods microtasks"],
  "never-settling promise": ["javascript returns a promise that never settles"],
  "regex blow-up": [
    "javascript backtracks in a regular expression",
    "python backtracks in a regular expression",
  ],
  "deep recursion": [
    "javascript recurses without end",
    "wasm recurses without end",
    "python recurses without end",
    "native recurses without end",
  ],
  "memory by objects": ["javascript fills an object with members", "javascript fills an array"],
  "memory by arrays": ["javascript fills arrays of doubles", "python takes memory without end"],
  "memory by Map": ["javascript fills a Map"],
  "memory by strings": ["javascript doubles a string", "python doubles a text"],
  "memory by ArrayBuffer": ["javascript takes array buffers", "native takes memory without end"],
  "memory by WebAssembly.grow": [
    "javascript grows a WebAssembly.Memory (WebAssembly.grow)",
    "wasm asks for more memory for ever (memory.grow)",
  ],
  "output flood": [
    "javascript floods the console",
    "wasm prints for ever",
    "python floods its output",
    "native floods its output",
  ],
  "log flood": ["javascript floods the log", "wasm floods its log", "native says one line of many megabytes"],
  "effect flood": [
    "javascript floods effects",
    "wasm floods effects",
    "python floods effects",
    "native floods effects",
  ],
  "giant keys": [
    "javascript asks for a key of ten million characters",
    "wasm writes a giant key",
    "native writes a giant key",
  ],
  "reads of /proc": ["native reads files, devices and /proc", "native looks into process 1"],
  environment: [
    "javascript looks for an environment in every global",
    "wasm asks WASI for its environment and arguments (environ_get, args_get)",
    "python takes its host's guards away and tries everything",
    "native reads the environment, its own and that of others",
  ],
  "files through links and ..": ["native follows links and .."],
  "inherited descriptors": ["native looks for inherited descriptors"],
  "unix sockets": ["native connects to whoever listens"],
  network: ["native connects to whoever listens", "native opens sockets of other families"],
  ptrace: ["native traces its parent and others"],
  "fork bomb": ["native forks without end"],
  "signals to the kernel": ["native signals every process", "native signals whom its socket leads to"],
  "a stopped process that wakes itself": [
    "native stops its own process and would be woken by its own signals",
  ],
  "prototype pollution of what crosses the boundary": [
    "javascript sends prototype pollution across, as constructor.prototype and __proto__",
    "javascript sends prototype pollution across, with keys named __proto__, and reads them back",
    "python returns a dict that is another each time",
    "native writes a __proto__ in disguise",
  ],
  "getters in results": [
    "javascript returns a value with a getter without end",
    "javascript returns a value with a getter that throws its host's error",
    "javascript answers with getters in its result that tell another each time",
  ],
  "proxies in results": [
    "javascript answers with a proxy for its result",
    "javascript answers with a proxy for its effects, as long as it likes",
  ],
  thenables: [
    "javascript returns a thenable",
    "javascript returns a thenable whose then is a getter without end",
    "javascript answers with a thenable that wants its host's functions",
    "javascript gives every object a then",
    "python returns a coroutine",
  ],
  "error objects with traps": [
    "javascript throws an error object with every trap",
    "javascript throws an error object with traps in its cause and its message",
    "python throws an exception with traps",
  ],
  "Symbol.species": ["javascript gives every class a Symbol.species of its own"],
  "constructor.constructor": [
    "javascript goes by constructor.constructor of all that it is given",
    "javascript goes by constructor.constructor of its request and of who called it",
  ],
  "stack-trace hooks": [
    "javascript hooks stack traces (Error.prepareStackTrace) and looks at every frame",
    "javascript hooks stack traces (Error.prepareStackTrace) without end, and throws",
    "javascript hooks stack traces (Error.prepareStackTrace) with what throws itself",
  ],
  "Python import tricks": [
    "python imports by tricks: modules that modules have, loaders, relative names, encodings",
    "python imports by tricks: a folder of the machine put into the path, a hook, a module in the table",
    "python imports what reaches outside",
  ],
  "Python format-string escapes": [
    "python escapes through format strings: fields, mappings, nested formats, string.Formatter",
    "python looks through format strings",
  ],
  "WASI preopen escapes": [
    "wasm leaves its WASI preopens by links, renames and folders of its own",
    "wasm looks for WASI preopens that are not its own, and into the folders above them",
    "wasm opens, out of its WASI preopens, the folder above its own",
  ],
  "a module with no memory maximum": [
    "wasm has no memory maximum",
    "wasm imports a memory with no maximum, and takes all there is",
  ],
};

/** Of the list; none where the attack is there beyond it. */
export function kindsOf({ language, name }: Attack): readonly string[] {
  const called = `${language} ${name}`;
  return Object.keys(BAD_INPUT).filter((kind) => BAD_INPUT[kind]?.includes(called));
}
