/**
 * JavaScript that acts on what crosses between a capsule and who runs it: results, errors, the language both speak. `LEAK` is what each of
 * them looks for: a value of another realm, by which there would be a way out.
 */
import type { HostileJavaScript } from "./javascript.ts";

const GARBAGE = ["SANDBOX_ANSWER_INVALID"];
const THREW = "TURN_HANDLER_THREW";
const DEADLINE = "TURN_DEADLINE";

/**
 * `leak(value)`: what is wrong with having it, or null. Its realm is asked by way of the constructor of its constructor; where another is
 * had its globals are looked at.
 */
const LEAK = `const leak = (value) => {
    const wanted = ["process", "require", "ivm", "WebAssembly", "SharedArrayBuffer"];
    const isObject = (one) => typeof one === "object" && one !== null || typeof one === "function";
    for (let one = value, depth = 0; isObject(one) && depth < 20; depth++) {
      try {
        const global = one.constructor.constructor("return globalThis")();
        if (global !== globalThis) return "another realm";
        for (const name of wanted) if (name in global) return name;
        if (/^(Reference|ExternalCopy|Callback|Isolate|Context|Module|Script)$/.test(one.constructor.name)) return one.constructor.name;
      } catch {}
      one = Object.getPrototypeOf(one);
    }
    return null;
  };
  const leaks = (all) => { for (const one of all) { const found = leak(one); if (found !== null) return found; } return null; };`;

/** A bundle whose `deliver` answers `t.go` with `result` (an expression that sees `turn`, `delivery` and `effects`). */
const bundleOf = (result: string, top = ""): string => `${top}
var capsule = { default: { reset() {}, deliver(request) {
  const { turn, delivery } = request;
  if (delivery.method !== "go") return { turn, kind: "done", effects: [] };
  const effects = [{ do: "write", key: "k", value: 1 }];
  return ${result};
} } };`;

export const AT_THE_BOUNDARY: readonly HostileJavaScript[] = [
  {
    name: "gives every class a Symbol.species of its own",
    top: `${LEAK}
      const taken = [];
      const thief = new Proxy(function () {}, { construct(_, args, made) { taken.push(...args, made); return new Proxy([], {
        defineProperty(on, key, what) { taken.push(what.value); return Reflect.defineProperty(on, key, what); },
        set(on, key, value) { taken.push(value); on[key] = value; return true; } }); } });
      for (const one of [Array, Map, Set, Promise, RegExp, ArrayBuffer, Object.getPrototypeOf(Uint8Array)])
        Object.defineProperty(one, Symbol.species, { get() { taken.push(this); return thief; } });
      Array.prototype.constructor = { [Symbol.species]: thief };`,
    go: "turn.keys.set('k', [1, 2]); turn.log('info', 'x', { all: [1] }); [1].map(String); return taken.length > 0 ? leaks(taken) : 'nothing to look at';",
    ends: ["done"],
    spoils: true,
    tells: true,
  },
  {
    name: "goes by constructor.constructor of all that it is given",
    top: LEAK,
    go: `const given = [turn, turn.keys, ...Object.values(turn), console, ...Object.values(console), Date, Date.now, Math.random, Intl.DateTimeFormat, this, arguments];
      for (const wrong of [() => turn.keys.get("k"), () => JSON.parse("{"), () => { const down = () => down(); down(); }, () => null.x, () => new RegExp("("), () => "x".repeat(2 ** 30), () => new Function("import.meta")])
        try { given.push(wrong()); } catch (error) { given.push(error); }
      return leaks(given);`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "goes by constructor.constructor of its request and of who called it",
    bundle: `${LEAK} var capsule = { default: { reset() {}, deliver: function (request) {
      const { turn, delivery } = request;
      if (delivery.method !== "go") return { turn, kind: "done", effects: [] };
      const value = leaks([request, delivery, turn, this, arguments, arguments.callee, arguments.callee.caller, new.target]);
      return { turn, kind: "done", effects: [{ do: "answer", callId: delivery.callId, answer: { ok: true, value } }] };
    } } };`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "returns a thenable",
    go: "return { then(resolve) { resolve(1); } };",
    ends: ["TURN_RETURNED_PROMISE"],
  },
  {
    name: "returns a thenable whose then is a getter without end",
    go: "return { get then() { while (true); } };",
    ends: [DEADLINE],
  },
  {
    name: "answers with a thenable that wants its host's functions",
    bundle: bundleOf(
      `({ turn, kind: "done", effects: [{ do: "answer", callId: delivery.callId, answer: { ok: true, value: globalThis.had ?? null } }], then(...given) { globalThis.had = "a resolver"; given[0]?.(1); } })`,
    ),
    ends: ["done", ...GARBAGE],
    tells: true,
  },
  {
    name: "gives every object a then",
    go: "Object.defineProperty(Object.prototype, 'then', { value(...given) { if (given.length > 0) globalThis.had = 'a resolver'; given[0]?.(1); }, configurable: true }); return globalThis.had ?? null;",
    ends: ["done"],
    spoils: true,
    tells: true,
  },
  {
    name: "hooks stack traces (Error.prepareStackTrace) and looks at every frame",
    top: `${LEAK} const frames = [];
      Error.stackTraceLimit = Infinity;
      Error.prepareStackTrace = (error, sites) => { for (const site of sites) frames.push(site, site.getThis(), site.getFunction()); return sites; };`,
    go: `for (const wrong of [() => turn.keys.get("k"), () => { throw new Error("x"); }, () => { const down = () => down(); down(); }])
        try { wrong(); } catch (error) { frames.push(error.stack); }
      const holder = {}; Error.captureStackTrace(holder); frames.push(holder.stack);
      return frames.length > 9 ? leaks(frames) : "nothing to look at";`,
    // It looks at much, and a busy machine may let it run into its deadline.
    ends: ["done", DEADLINE],
    tells: true,
  },
  {
    name: "hooks stack traces (Error.prepareStackTrace) without end, and throws",
    go: "Error.prepareStackTrace = () => { while (true); }; throw new Error('x');",
    ends: [DEADLINE, THREW],
  },
  {
    name: "hooks stack traces (Error.prepareStackTrace) with what throws itself",
    go: "Error.prepareStackTrace = (error) => { throw error; }; throw new Error('x');",
    ends: [THREW],
  },
  {
    name: "returns a value with a getter without end",
    go: "return { get a() { while (true); } };",
    ends: [DEADLINE],
  },
  {
    name: "returns a value with a getter that throws its host's error",
    go: "return { get a() { const e = new Error('x'); e.name = 'VnesError'; e.code = 'LEDGER_DISK_FULL'; throw e; } };",
    ends: [THREW, "TURN_EFFECT_INVALID"],
  },
  {
    name: "answers with getters in its result that tell another each time",
    bundle: bundleOf(
      `({ turn, get kind() { return "done"; }, get effects() { return globalThis.n = (globalThis.n ?? 0) + 1, globalThis.n % 2 ? effects : [{ do: "exec" }]; } })`,
    ),
    ends: ["done", ...GARBAGE],
  },
  {
    name: "answers with a proxy for its result",
    bundle: bundleOf(
      `new Proxy({}, { get: (_, key) => key === "turn" ? turn : key === "kind" ? "done" : key === "effects" ? effects : undefined, ownKeys: () => ["turn", "kind", "effects", "__proto__"], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) })`,
    ),
    ends: ["done", ...GARBAGE],
  },
  {
    name: "answers with a proxy for its effects, as long as it likes",
    bundle: bundleOf(
      `({ turn, kind: "done", effects: new Proxy(effects, { get: (on, key) => key === "length" ? 2 ** 53 - 1 : on[0] }) })`,
    ),
    ends: [...GARBAGE, DEADLINE, "TURN_MEMORY", "TURN_EFFECTS_TOO_LARGE"],
  },
  {
    name: "throws an error object with every trap",
    go: `const forever = () => { while (true); };
      const traps = Object.fromEntries(["get", "has", "getPrototypeOf", "ownKeys", "getOwnPropertyDescriptor"].map((name) => [name, forever]));
      throw new Proxy(new Error("x"), traps);`,
    ends: [THREW, DEADLINE],
  },
  {
    name: "throws an error object with traps in its cause and its message",
    go: `const e = new Error("x", { cause: new Proxy({}, { get() { throw e; } }) });
      Object.defineProperty(e, "message", { get() { throw e; } }); Object.defineProperty(e, "toString", { value() { throw e; } }); throw e;`,
    ends: [THREW],
  },
  {
    name: "throws an error object that says it is the kernel's",
    go: `throw Object.assign(new Error("x"), { name: "VnesError", code: "LEDGER_DISK_FULL", turn: 7777, kind: "done", effects: [] });`,
    ends: [THREW],
  },
  {
    name: "sends prototype pollution across, as constructor.prototype and __proto__",
    bundle: bundleOf(`({ turn, kind: "done", effects: [
      { do: "write", key: "constructor", value: { constructor: { prototype: { polluted: true } } } },
      { do: "write", key: "k", value: JSON.parse('[{"__proto__":{"polluted":true}}]') },
      { do: "write", key: "__proto__", value: { polluted: true } }] })`),
    ends: GARBAGE,
  },
  {
    name: "sends prototype pollution across, with keys named __proto__, and reads them back",
    go: `turn.keys.set("__proto__", { polluted: true }); turn.keys.set("constructor", { prototype: { polluted: true } });
      turn.keys.get("__proto__"); return {}.polluted ?? null;`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "fills an object with members",
    go: "const all = {}; for (let n = 0; ; n++) all['k' + n] = { n };",
    ends: ["TURN_MEMORY", DEADLINE, "SANDBOX_HOST_DIED"],
  },
  {
    name: "grows a WebAssembly.Memory (WebAssembly.grow)",
    go: "const memory = new WebAssembly.Memory({ initial: 1 }); while (true) memory.grow(256);",
    ends: [THREW],
  },
];
