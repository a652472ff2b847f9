/**
 * Capsules in JavaScript that mean harm, each as the source of its `src/main.ts`, or as a whole bundle that does without the sdk.
 */
import { bundleSource, imageOf } from "../../../kernel/drivers/isolate/test/bundle.ts";
import { type Attack, HOST } from "../attack.ts";
import { AT_THE_BOUNDARY } from "./javascript-boundary.ts";
import { UNSTOPPABLE } from "./unstoppable.ts";

export interface HostileJavaScript {
  readonly name: string;
  /** Body of the handler of call `t.go`. */
  readonly go?: string;
  /** Statements of the module, before the capsule. */
  readonly top?: string;
  /** Instead of both: a bundle as it would stand in `impl/main.js`. */
  readonly bundle?: string;
  readonly ends: readonly string[];
  readonly spoils?: boolean;
  /** Its answer is what it got hold of, or null. */
  readonly tells?: boolean;
}

const MEMORY = ["TURN_MEMORY", "TURN_DEADLINE", HOST];
const GARBAGE = ["SANDBOX_ANSWER_INVALID"];

/** A bundle whose `deliver` answers `t.go` with `result` (an expression that sees `request`) and everything else rightly. */
const answering = (result: string, top = ""): string => `${top}
var capsule = { default: { reset() {}, deliver(request) {
  if (request.delivery.method !== "go") return { turn: request.turn, kind: "done", effects: [] };
  return ${result};
} } };`;
const done = (effects: string): string =>
  answering(`({ turn: request.turn, kind: "done", effects: ${effects} })`);

/** The same, with an answer that sees `deliver` too. */
const telling = (found: string): string =>
  `var capsule = { default: { reset() {}, deliver: function deliver(request) {
  const { turn, delivery } = request;
  if (delivery.method !== "go") return { turn, kind: "done", effects: [] };
  const value = (() => { ${found} return null; })();
  return { turn, kind: "done", effects: [{ do: "answer", callId: delivery.callId, answer: { ok: true, value } }] };
} } };`;

const HOSTILE: readonly HostileJavaScript[] = [
  ...AT_THE_BOUNDARY,
  ...UNSTOPPABLE.map(([name, go]) => ({ name, go, ends: [HOST, "TURN_DEADLINE", "TURN_MEMORY"] })),
  { name: "loops", go: "while (true);", ends: ["TURN_DEADLINE"] },
  {
    name: "loops and catches",
    go: "while (true) { try { while (true); } catch {} finally { while (true); } }",
    ends: ["TURN_DEADLINE"],
  },
  { name: "returns a promise", go: "return Promise.resolve(1);", ends: ["TURN_RETURNED_PROMISE"] },
  {
    name: "returns a promise that never settles",
    go: "return new Promise(() => {});",
    ends: ["TURN_RETURNED_PROMISE"],
  },
  {
    name: "goes on after its turn",
    go: "(async () => { await 1; turn.keys.set('k', 1); turn.publish('x.v1', '', 1); })(); return 1;",
    ends: ["TURN_HANDLER_THREW"],
  },
  {
    name: "floods microtasks",
    go: "const again = () => Promise.resolve().then(again); again(); return 1;",
    ends: ["TURN_DEADLINE", "TURN_MEMORY"],
  },
  {
    name: "backtracks in a regular expression",
    go: "return /^(a+)+$/.test('a'.repeat(40) + '!');",
    ends: ["TURN_DEADLINE"],
  },
  {
    name: "recurses without end",
    go: "const down = () => 1 + down(); return down();",
    ends: ["TURN_HANDLER_THREW"],
  },
  {
    name: "recurses through the sdk",
    go: "const down = () => { turn.keys.set('k', 1); try { down(); } finally { turn.keys.set('k', 2); } }; down(); return 1;",
    ends: ["TURN_HANDLER_THREW", "TURN_DEADLINE"],
  },
  {
    name: "fills an array",
    go: "const all = []; while (true) all.push({ n: all.length, t: [1, 2, 3] });",
    ends: MEMORY,
  },
  {
    name: "fills arrays of doubles",
    go: "const all = []; while (true) all.push(new Array(100000).fill(1.5));",
    ends: MEMORY,
  },
  {
    name: "fills a Map",
    go: "const all = new Map(); for (let n = 0; ; n++) all.set('k' + n, { n });",
    ends: [...MEMORY, "TURN_HANDLER_THREW"],
  },
  {
    name: "doubles a string",
    go: "let all = 'x'; while (true) { all += all; if (all.length > 4e8) all = [...all].join(''); }",
    ends: [...MEMORY, "TURN_HANDLER_THREW"],
  },
  {
    name: "takes array buffers",
    go: "const all = []; while (true) all.push(new Uint8Array(4e6).fill(1));",
    ends: [...MEMORY, "TURN_HANDLER_THREW"],
  },
  {
    name: "keeps everything between turns",
    top: "const kept = [];",
    go: "for (let n = 0; n < 20; n++) kept.push(new Array(100000).fill(n + 0.5)); return 1;",
    ends: ["done", ...MEMORY],
  },
  { name: "throws undefined", go: "throw undefined;", ends: ["TURN_HANDLER_THREW"] },
  {
    name: "throws an object that fights back",
    go: "throw { get message() { throw 1; }, toString() { while (true); }, toJSON() { while (true); } };",
    ends: ["TURN_HANDLER_THREW"],
  },
  {
    name: "throws an error whose name loops",
    go: "const e = new Error('x'); Object.defineProperty(e, 'name', { get() { while (true); } }); throw e;",
    ends: ["TURN_DEADLINE"],
  },
  { name: "throws a novel", go: "throw new Error('x'.repeat(5e6));", ends: ["TURN_HANDLER_THREW"] },
  {
    name: "floods the console",
    go: "for (let n = 0; n < 1e5; n++) console.log('x'.repeat(1000)); return 1;",
    ends: ["done"],
  },
  {
    name: "floods the log",
    go: "for (let n = 0; n < 1e5; n++) turn.log('error', 'x'.repeat(1000), { n }); return 1;",
    ends: ["done"],
  },
  {
    name: "floods effects",
    go: "while (true) turn.publish('x.v1', '', { n: 1 });",
    ends: ["TURN_EFFECTS_TOO_LARGE", "TURN_DEADLINE"],
  },
  {
    name: "writes too much",
    go: "for (let n = 0; n < 100; n++) turn.keys.set('k' + n, 'x'.repeat(10000)); return 1;",
    ends: ["TURN_EFFECTS_TOO_LARGE"],
  },
  {
    name: "writes too much in three-byte characters",
    go: "turn.keys.set('k', '\\u20ac'.repeat(30000)); return 1;",
    ends: ["TURN_EFFECTS_TOO_LARGE"],
  },
  {
    name: "asks for keys without end",
    go: "turn.keys.get('k' + (turn.seen = (globalThis.seen = (globalThis.seen ?? 0) + 1))); return 1;",
    ends: GARBAGE,
  },
  {
    name: "hands over what is not JSON",
    go: "turn.publish('x.v1', '', { get: () => 1 }); return 1;",
    ends: ["TURN_EFFECT_INVALID"],
  },
  {
    name: "hands over a proxy that loops",
    go: "turn.publish('x.v1', '', new Proxy({}, { ownKeys() { while (true); } })); return 1;",
    ends: ["TURN_DEADLINE"],
  },
  { name: "hands over a cycle", go: "const c = {}; c.c = c; return c;", ends: ["TURN_EFFECT_INVALID"] },
  {
    name: "replaces JSON",
    top: "JSON.stringify = () => '[]'; JSON.parse = () => ({});",
    go: "return 1;",
    ends: ["done"],
  },
  {
    name: "gives every object a toJSON",
    go: "Object.prototype.toJSON = () => 'gone'; return 1;",
    ends: GARBAGE,
  },
  {
    name: "gives every array a toJSON",
    go: "Array.prototype.toJSON = () => 'gone'; return [1];",
    ends: GARBAGE,
  },
  {
    name: "pollutes Object.prototype",
    go: "Object.prototype.effects = 1; Object.prototype.kind = 'done'; Object.prototype.polluted = true; return 1;",
    ends: ["done"],
  },
  {
    name: "takes over Array.prototype.join",
    go: "Array.prototype.join = () => '{\"turn\":1},{}'; return 1;",
    ends: ["done"],
  },
  {
    name: "takes over Array.prototype.push",
    go: "Array.prototype.push = () => 0; return 1;",
    ends: ["done", "TURN_HANDLER_THREW"],
  },
  {
    name: "takes over Map.prototype",
    go: "Map.prototype.get = Map.prototype.set = () => { throw 1; }; return 1;",
    ends: ["done", "TURN_HANDLER_THREW", ...GARBAGE],
    spoils: true,
  },
  {
    name: "takes over iteration",
    go: "Array.prototype[Symbol.iterator] = function* () {}; return [1];",
    ends: ["done", "TURN_EFFECT_INVALID", "TURN_HANDLER_THREW", ...GARBAGE],
    spoils: true,
  },
  { name: "answers with nothing", bundle: answering("undefined"), ends: GARBAGE },
  { name: "answers with a text", bundle: answering("'done'"), ends: GARBAGE },
  {
    name: "answers for another turn",
    bundle: answering("({ turn: 7777, kind: 'done', effects: [] })"),
    ends: GARBAGE,
  },
  {
    name: "answers with an unknown kind",
    bundle: answering("({ turn: request.turn, kind: 'fine' })"),
    ends: GARBAGE,
  },
  {
    name: "answers with a made-up code",
    bundle: answering("({ turn: request.turn, kind: 'failed', code: 'LEDGER_DISK_FULL', message: '' })"),
    ends: GARBAGE,
  },
  {
    name: "answers with a novel of a failure",
    bundle: answering(
      "({ turn: request.turn, kind: 'failed', code: 'TURN_HANDLER_THREW', message: 'x'.repeat(1e6) })",
    ),
    ends: GARBAGE,
  },
  { name: "answers with an unknown effect", bundle: done("[{ do: 'exec', key: 'rm' }]"), ends: GARBAGE },
  {
    name: "answers with an effect that has more",
    bundle: done("[{ do: 'delete', key: 'k', also: 1 }]"),
    ends: GARBAGE,
  },
  {
    name: "answers with a __proto__ member",
    bundle: done(`[{ do: 'write', key: 'k', value: JSON.parse('{"__proto__":{"admin":true}}') }]`),
    ends: GARBAGE,
  },
  {
    name: "answers with a value too deep",
    bundle: done(
      "[{ do: 'write', key: 'k', value: (() => { let v = 1; for (let n = 0; n < 5000; n++) v = [v]; return v; })() }]",
    ),
    ends: GARBAGE,
  },
  {
    name: "answers with half a millisecond",
    bundle: done("[{ do: 'setTimer', id: 't', at: 0.5, payload: null }]"),
    ends: GARBAGE,
  },
  {
    name: "answers with too much",
    bundle: done("[{ do: 'write', key: 'k', value: 'x'.repeat(200000) }]"),
    ends: ["TURN_EFFECTS_TOO_LARGE"],
  },
  {
    name: "asks for nothing",
    bundle: answering("({ turn: request.turn, kind: 'needKeys', keys: [], ranges: [] })"),
    ends: GARBAGE,
  },
  {
    name: "asks for the same again",
    bundle: answering("({ turn: request.turn, kind: 'needKeys', keys: ['k'], ranges: [] })"),
    ends: GARBAGE,
  },
  {
    name: "shows two faces",
    bundle: answering(
      "({ turn: request.turn, get kind() { return (this.n = (this.n ?? 0) + 1) % 2 ? 'needKeys' : 'done'; }, effects: [] })",
    ),
    ends: [...GARBAGE, "done"],
  },
  {
    name: "throws out of its own deliver",
    bundle: answering("(() => { throw new Proxy({}, { get() { while (true); } }); })()"),
    ends: GARBAGE,
  },
  {
    name: "takes the functions that call it, by caller",
    bundle: telling(
      `for (let one = deliver; (one = one.caller) !== null; ) return String(one).slice(0, 60);`,
    ),
    ends: ["done"],
    tells: true,
  },
  {
    name: "takes the functions that call it, out of a stack trace",
    bundle: telling(`Error.prepareStackTrace = (_, sites) => sites;
      const found = new Error().stack.find((site) => site.getFunctionName() === "runTurn");
      if (found === undefined || found.getFunction() || found.getThis()) return "runTurn, or not even its frame";`),
    ends: ["done"],
    tells: true,
  },
  {
    name: "measures real time",
    go: `const marks = () => [Date.now(), +new Date(), Date(), new Date().getTimezoneOffset(), new Intl.DateTimeFormat("en", { fractionalSecondDigits: 3 }).format(),
        Reflect.construct(Date, [], class extends Date {}).getTime(), typeof performance, typeof Temporal === "object" && Temporal.Now].join();
      const before = marks();
      for (let n = 0; n < 2e7; n++);
      return before === marks() ? null : "a clock";`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "finds by other ways what was taken away",
    go: `const all = [];
      const look = (value) => { if ((typeof value === "object" && value !== null || typeof value === "function") && !all.includes(value)) all.push(value); };
      look(globalThis);
      for (const one of all) {
        for (const key of Reflect.ownKeys(one)) { const it = Reflect.getOwnPropertyDescriptor(one, key); look(it.value); look(it.get); look(it.set); }
        look(Reflect.getPrototypeOf(one));
      }
      for (const one of [function* () {}, async () => {}, async function* () {}]) look(one.constructor);
      const names = all.map((one) => typeof one === "function" ? one.name : Object.prototype.toString.call(one));
      return names.find((name) => /^(WeakRef|FinalizationRegistry|SharedArrayBuffer|Atomics|\\[object (Atomics|WebAssembly)\\]|Reference|ExternalCopy|Callback|Isolate|require)$/.test(name)) ?? null;`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "looks for an environment in every global",
    go: `const root = Function("return this")();
      const known = ["process", "Deno", "Bun", "require", "module", "global", "env", "environ", "navigator", "location"];
      const found = known.find((name) => name in root || name in globalThis);
      if (found !== undefined) return found;
      for (const name of Reflect.ownKeys(root)) {
        const one = root[name];
        if (one === null || (typeof one !== "object" && typeof one !== "function")) continue;
        if ("env" in one || "environ" in one || "getBuiltinModule" in one) return "an environment in " + String(name);
      }
      return null;`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "imports a module of its host",
    go: `import("node:fs").then((found) => { globalThis.found = Object.keys(found).length; }, () => {}); return globalThis.found ?? null;`,
    ends: ["done"],
    tells: true,
  },
  {
    name: "leaves a prototype behind for its neighbours",
    go: `Object.prototype.polluted = "polluted"; Function.prototype.call = () => "taken"; return null;`,
    ends: ["done"],
    spoils: true,
  },
  {
    name: "rejects with an error that never ends",
    go: `const e = new Error("x"); Object.defineProperty(e, "message", { get() { while (true); } }); Promise.reject(e); return 1;`,
    ends: [HOST],
  },
  {
    name: "rejects with a proxy that never ends",
    go: `Promise.reject(new Proxy(new Error("x"), { get() { while (true); }, getPrototypeOf() { while (true); } })); return 1;`,
    ends: [HOST],
  },
  {
    name: "rejects with what it never settled, a hundred thousand times",
    go: `for (let n = 0; n < 1e5; n++) Promise.reject(n); return 1;`,
    ends: ["TURN_HANDLER_THREW", "TURN_DEADLINE", ...MEMORY],
  },
  {
    name: "claims in a rejection that its time was over",
    go: `Promise.reject(new Error("Script execution timed out.")); return 1;`,
    ends: ["TURN_HANDLER_THREW", "TURN_DEADLINE"],
  },
  {
    name: "says a line of ten million characters",
    bundle: answering(
      `({ turn: request.turn, kind: "done", effects: [], logs: [{ level: "info", message: "x".repeat(1e7) }] })`,
    ),
    ends: ["done", ...MEMORY],
  },
  {
    name: "asks for a key of ten million characters",
    bundle: answering(`({ turn: request.turn, kind: "needKeys", keys: ["x".repeat(1e7)], ranges: [] })`),
    ends: [...GARBAGE, ...MEMORY],
  },
  {
    name: "asks for a thousand ranges",
    bundle: answering(
      `({ turn: request.turn, kind: "needKeys", keys: [], ranges: Array.from({ length: 1000 }, (_, n) => "r" + n) })`,
    ),
    ends: GARBAGE,
  },
  {
    name: "hides its effects in a __proto__ that toJSON makes",
    bundle: answering(
      `(JSON.stringify({}), { turn: request.turn, kind: "done", effects: [], toJSON: () => ({ turn: request.turn, kind: "done", effects: [], ["__proto__"]: { effects: [{ do: "exec" }] } }) })`,
    ),
    ends: [...GARBAGE],
  },
  {
    name: "reaches for the host",
    go: "return [typeof process, typeof require, typeof ivm, this === undefined, new Function('return typeof process')()];",
    ends: ["done"],
  },
];

export const JAVASCRIPT: readonly Attack[] = HOSTILE.map((hostile) => ({
  name: hostile.name,
  language: "javascript",
  ends: hostile.ends,
  spoils: hostile.spoils ?? false,
  gotHold: (answer) =>
    hostile.tells === true && answer !== null ? `it got hold of ${JSON.stringify(answer)}` : undefined,
  program: async () => {
    const bundle = hostile.bundle ?? (await bundleSource(sourceOf(hostile)));
    return { image: imageOf(bundle), entry: "impl/main.js" };
  },
}));

function sourceOf({ top = "", go = "" }: HostileJavaScript): string {
  return `import { capsule } from "@vnes/sdk"; ${top}
    export default capsule({ calls: { "t.go": function (turn) { ${go} }, "t.ok": () => 1 } });`;
}
