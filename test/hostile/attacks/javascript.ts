/**
 * Capsules in JavaScript that mean harm, each as the source of its `src/main.ts`, or as a whole bundle that does without the sdk.
 */
import { bundleSource, imageOf } from "../../../kernel/drivers/isolate/test/bundle.ts";
import { type Attack, HOST } from "../attack.ts";

interface Hostile {
  readonly name: string;
  /** Body of the handler of call `t.go`. */
  readonly go?: string;
  /** Statements of the module, before the capsule. */
  readonly top?: string;
  /** Instead of both: a bundle as it would stand in `impl/main.js`. */
  readonly bundle?: string;
  readonly ends: readonly string[];
  readonly spoils?: boolean;
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

const HOSTILE: readonly Hostile[] = [
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
    ends: GARBAGE,
  },
  {
    name: "takes over Array.prototype.push",
    go: "Array.prototype.push = () => 0; return 1;",
    ends: [...GARBAGE, "TURN_HANDLER_THREW"],
  },
  {
    name: "takes over Map.prototype",
    go: "Map.prototype.get = Map.prototype.set = () => { throw 1; }; return 1;",
    ends: ["done", "TURN_HANDLER_THREW", ...GARBAGE],
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
  program: async () => {
    const bundle = hostile.bundle ?? (await bundleSource(sourceOf(hostile)));
    return { image: imageOf(bundle), entry: "impl/main.js" };
  },
}));

function sourceOf({ top = "", go = "" }: Hostile): string {
  return `import { capsule } from "@vnes/sdk"; ${top}
    export default capsule({ calls: { "t.go": function (turn) { ${go} }, "t.ok": () => 1 } });`;
}
