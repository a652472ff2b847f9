/** What only a driver with a real host and a real deadline can show. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { AT, callOf, told, valueOf } from "../../../contracts/sandbox-lab.ts";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { isolateExecutor } from "../src/index.ts";
import { bundleSource, specOf } from "./bundle.ts";

const sandbox = openHostSandbox(isolateExecutor);
after(() => sandbox[Symbol.asyncDispose]());

async function open(calls: string, limits: Parameters<typeof specOf>[1] = {}): Promise<SandboxInstance> {
  const bundle = await bundleSource(`import { capsule } from "@vnes/sdk"; const kept = [];
    export default capsule({ calls: { ${calls} } });`);
  return sandbox.open(specOf(bundle, limits));
}

test("time and randomness are the turn's, by every way the language has", async () => {
  const one = await open(`"t.go": () => ({
    now: Date.now(), make: new Date().getTime(), text: Date(), sub: new (class extends Date {})().getTime(),
    given: new Date(5).getTime(), parse: Date.parse("1970-01-01"), hidden: new (new Date(0).constructor)().getTime(),
    is: new Date() instanceof Date, format: new Intl.DateTimeFormat("en-GB").format(), zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    parts: new Intl.DateTimeFormat("en-GB").formatToParts().length, own: new Intl.DateTimeFormat("en-GB").format(0),
    random: [Math.random(), Math.random()], offset: new Date().getTimezoneOffset(), locale: (1234.5).toLocaleString(),
  })`);
  const [first] = await one.deliver([callOf("go")]);
  const [second] = await one.deliver([callOf("go")]);
  const value = valueOf(first) as { random: number[] };
  assert.deepEqual(valueOf(second), value);
  const at = AT;
  const { random, ...rest } = value;
  assert.deepEqual(rest, {
    now: at,
    make: at,
    text: "Sun Sep 09 2001 01:46:40 GMT+0000 (Coordinated Universal Time)",
    sub: at,
    given: 5,
    parse: 0,
    hidden: at,
    is: true,
    format: "09/09/2001",
    zone: "UTC",
    parts: 5,
    own: "01/01/1970",
    offset: 0,
    locale: "1,234.5",
  });
  assert.ok(random.every((draw) => draw >= 0 && draw < 1) && random[0] !== random[1]);
  const [other] = await one.deliver([callOf("go", null, { seed: "fedcba9876543210" })]);
  assert.notDeepEqual((valueOf(other) as { random: number[] }).random, random);
});

test("what is not deterministic or reaches outside is absent", async () => {
  const names = [
    "WebAssembly",
    "SharedArrayBuffer",
    "Atomics",
    "WeakRef",
    "FinalizationRegistry",
    "process",
    "require",
    "fetch",
    "setTimeout",
    "queueMicrotask",
    "ivm",
    "performance",
  ];
  const one = await open(
    `"t.go": () => ${JSON.stringify(names)}.filter((name) => globalThis[name] !== undefined)`,
  );
  assert.deepEqual(valueOf((await one.deliver([callOf("go")]))[0]), []);
});

test("console becomes lines of the turn, bounded and counted", async () => {
  const one =
    await open(`"t.go": (turn) => { turn.log("info", "by log"); console.warn("by console", { n: 1 }, [2]); return null; },
    "t.flood": () => { for (let n = 0; n < 5000; n++) console.log("x".repeat(10000)); return null; }`);
  const [said, flood] = await one.deliver([callOf("go"), callOf("flood")]);
  assert.deepEqual(said?.kind === "done" && said.logs, [
    { level: "info", message: "by log" },
    { level: "warn", message: 'by console {"n":1} [2]' },
  ]);
  const lines = flood?.kind === "done" ? (flood.logs ?? []) : [];
  assert.equal(lines.length, 65);
  assert.ok(lines.every(({ message }) => message.length <= 2_000));
  assert.match(lines.at(-1)?.message ?? "", /4936 more console lines/);
});

test("a looping turn fails alone: those before it are kept, those behind it come again", async () => {
  const one = await open(`"t.ok": (turn, input) => input, "t.loop": () => { while (true); }`);
  assert.deepEqual(told(await one.deliver([callOf("ok"), callOf("ok"), callOf("loop"), callOf("ok")])), [
    "done",
    "done",
    "TURN_DEADLINE",
    "needKeys",
  ]);
  assert.deepEqual(told(await one.deliver([callOf("ok")])), ["done"]);
});

test("a turn whose host stood still beyond its deadline is tried once more, and ends well (H6)", async () => {
  // Some tenths of a second of work: it stands still in the middle of them. Had it ended before, nothing would be shown, and nothing fail.
  const limits = { turnMs: 1_000 };
  const one = await open(
    `"t.slow": () => { let x = 0; for (let n = 0; n < 1.2e8; n++) x += Math.sqrt(n); return x > 0; }`,
    { group: "still", limits },
  );
  const { pid } = (await one.meters()).host;
  const [turn] = await Promise.all([one.deliver([callOf("slow")]), standStill(pid, 1_300)]);
  assert.deepEqual(told(turn), ["done"]);
});

test("a capsule whose host stood still while it was loaded for the first time is loaded once more, and runs (H6)", async () => {
  const spec = { group: "still at first", limits: { turnMs: 1_000 } };
  const { pid } = (await (await open(`"t.ok": () => 1`, spec)).meters()).host;
  const slowly = `...(() => { let x = 0; for (let n = 0; n < 1.2e8; n++) x += Math.sqrt(n); return { "t.ok": () => x > 0 }; })()`;
  const [one] = await Promise.all([open(slowly, spec), standStill(pid, 1_300)]);
  assert.deepEqual(told(await one.deliver([callOf("ok")])), ["done"]);
});

test("behind a batch that spoilt its isolate nothing runs before the kernel knows, though all of it ended well (H5)", async () => {
  const one = await open(`"t.once": () => { if (kept.push(1) > 1) while (true); return 1; }`);
  const sent = [[callOf("once"), callOf("once")], [callOf("once")]].map((batch) => one.deliver(batch));
  const [first = [], behind = []] = (await Promise.all(sent)).map(told);
  assert.deepEqual(behind, ["needKeys"]);
  // Where nothing could be fetched of what the interrupted call had finished, both run again alone, and the second one loops again.
  assert.ok(["done,done", "done,TURN_DEADLINE"].includes(first.join()), first.join());
});

test("what is thrown after a handler returned fails the turn that left it behind, and no other", async () => {
  const one = await open(
    `"t.ok": () => 1, "t.late": (turn) => { (async () => { await 1; turn.keys.set("k", 1); })(); return 1; }`,
  );
  const batch = [callOf("ok"), callOf("late"), callOf("ok")];
  assert.deepEqual(told(await one.deliver(batch)), ["done", "TURN_HANDLER_THREW", "needKeys"]);
  assert.deepEqual(told(await one.deliver([callOf("ok")])), ["done"]);
});

test("a handler that throws is told with its line of the bundle, beside the message and not in it", async () => {
  const one = await open(`"t.go": () => { throw new Error("boom at a.ts:1:2"); }`);
  const [result] = await one.deliver([callOf("go")]);
  const { message, place } = result as { readonly message?: string; readonly place?: string };
  assert.equal(message, "Error: boom at a.ts:1:2");
  assert.match(place ?? "", /^[\w./-]+\.js:\d+:\d+$/);
});

test("an async handler is told to be synchronous, whether the key it waits for is here or not", async () => {
  const one = await open(`"t.go": async (turn) => (await turn.keys.get("n/a")) ?? null, "t.ok": () => 1`);
  const given = { ...callOf("go"), keys: [["n/a", 1] as const] };
  assert.deepEqual(told(await one.deliver([callOf("go"), callOf("ok"), given])), [
    "TURN_RETURNED_PROMISE",
    "done",
    "TURN_RETURNED_PROMISE",
  ]);
});

test("many turns that are slow together do not share one deadline", async () => {
  const one = await open(
    `"t.slow": () => { let x = 0; for (let n = 0; n < 8e6; n++) x += Math.sqrt(n); return x > 0; }`,
    { limits: { turnMs: 300 } },
  );
  assert.deepEqual(
    new Set(told(await one.deliver(Array.from({ length: 40 }, () => callOf("slow"))))),
    new Set(["done"]),
  );
  const { cpuMs } = await one.meters();
  assert.ok(cpuMs > 300, `the batch took ${cpuMs} ms of CPU, which is to be more than one deadline`);
});

test("a busy instance holds up its neighbour for a slice, not for a batch", async () => {
  const busy = await open(
    `"t.slow": () => { let x = 0; for (let n = 0; n < 4e6; n++) x += Math.sqrt(n); return x > 0; }`,
    { instance: "busy/0" },
  );
  const quick = await open(`"t.ok": () => 1`, { instance: "quick/0" });
  let isBusy = true;
  const batch = busy.deliver(Array.from({ length: 64 }, () => callOf("slow"))).finally(() => {
    isBusy = false;
  });
  await quick.deliver([callOf("ok")]);
  assert.equal(isBusy, true);
  await batch;
});

test("a turn at the memory limit ends in TURN_MEMORY or with its host, and never in this process", async () => {
  const one = await open(
    `"t.ok": () => 1, "t.take": () => { const all = []; while (true) all.push("x".repeat(1000) + all.length); }`,
    { group: "memory", limits: { memoryMb: 16, turnMs: 5_000 } },
  );
  // It spoils the second isolate of its batch too, and comes again for the third, which is fresh (H5).
  const end = await one
    .deliver([callOf("ok"), callOf("take")])
    .then((results) => {
      assert.deepEqual(told(results), ["done", "needKeys"]);
      return one.deliver([callOf("take")]);
    })
    .catch((error: unknown) => error);
  if (isVnesError(end)) assert.equal(end.code, "SANDBOX_HOST_DIED");
  else {
    assert.deepEqual(told(end as TurnResult[]), ["TURN_MEMORY"]);
    assert.ok((await one.meters()).cpuMs > 0, "what it computed before is forgotten");
  }
});

test("a bundle that does not load is refused with the reason, and its host stays", async () => {
  const neighbour = await open(`"t.ok": () => 1`, { group: "loading" });
  const pid = (await neighbour.meters()).host.pid;
  const broken: [bundle: string, reason: RegExp][] = [
    ["var capsule = {", /Unexpected/],
    ["throw new Error('at the top')", /at the top/],
    ["throw undefined", /./],
    ["var capsule = { default: { deliver: 1 } }", /is not what capsule/],
    ["", /is not what capsule/],
    ["while (true);", /timed out/],
    ["import 'x'", /import/],
  ];
  for (const [text, reason] of broken) {
    await assert.rejects(sandbox.open(specOf(text, { group: "loading" })), (error: unknown) => {
      assert.ok(isVnesError(error));
      assert.equal(error.code, "SANDBOX_BUNDLE_BROKEN", text);
      assert.match(error.message, reason);
      assert.match(error.message, /impl\/main\.js of test\.capsule\/0/);
      return true;
    });
  }
  await assert.rejects(sandbox.open({ ...specOf(""), entry: "impl/other.js" }), {
    code: "SANDBOX_BUNDLE_BROKEN",
  });
  assert.equal((await neighbour.meters()).host.pid, pid);
});

test("when a host dies, what it owed is rejected and its group opens again in a new one", async () => {
  const one = await open(`"t.ok": () => 1, "t.loop": () => { while (true); }`, {
    group: "dying",
    limits: { turnMs: 5_000 },
  });
  const { pid } = (await one.meters()).host;
  const owed = one.deliver([callOf("loop")]);
  setTimeout(() => process.kill(pid, "SIGKILL"), 50);
  await assert.rejects(owed, (error: unknown) => {
    assert.ok(isVnesError(error));
    assert.equal(error.code, "SANDBOX_HOST_DIED");
    assert.equal(error.details["signal"], "SIGKILL");
    assert.equal(error.retry, true);
    return true;
  });
  await assert.rejects(one.deliver([callOf("ok")]), { code: "SANDBOX_HOST_DIED" });
  await assert.rejects(one.reset(), { code: "SANDBOX_HOST_DIED" });
  await one.dispose();
  const again = await open(`"t.ok": () => 1`, { group: "dying" });
  assert.deepEqual(told(await again.deliver([callOf("ok")])), ["done"]);
  assert.notEqual((await again.meters()).host.pid, pid);
});

test("a bundle that ends the host while it is loaded is the one to blame: who was loaded before is open, who comes behind it was not in it", async () => {
  // So small that all of them come to the host in one piece.
  const plain = "var capsule = { default: { deliver() {}, reset() {} } };";
  const fills = `const all = new Map(); for (let n = 0; ; n++) all.set("k" + n, { n });`;
  const group = "loading ends it";
  const limits = { memoryMb: 16, turnMs: 5_000 };
  const [before, guilty, behind] = await Promise.allSettled([
    sandbox.open(specOf(plain, { group, instance: "test.before/0" })),
    sandbox.open(specOf(fills, { group, instance: "test.guilty/0", limits })),
    sandbox.open(specOf(plain, { group, instance: "test.behind/0" })),
  ]);
  assert.equal(before.status, "fulfilled");
  assert.ok(guilty.status === "rejected" && isVnesError(guilty.reason));
  assert.ok(behind.status === "rejected" && isVnesError(behind.reason));
  assert.deepEqual([guilty.reason.code, behind.reason.code], ["SANDBOX_HOST_DIED", "SANDBOX_HOST_DIED"]);
  assert.deepEqual([guilty.reason.details["wasIdle"], behind.reason.details["wasIdle"]], [undefined, true]);
});

test("the last instance of a group takes its host with it", async () => {
  const one = await open(`"t.ok": () => 1`, { group: "leaving" });
  const { pid } = (await one.meters()).host;
  await one.dispose();
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});

test("a large batch leaves in several parts and nothing is lost", async () => {
  const one = await open(`"t.big": (turn) => { turn.keys.set("k", "ä".repeat(200000)); return null; }`, {
    limits: { effectBytes: 768 * 1024, turnMs: 2_000, memoryMb: 128 },
  });
  let batch = Array.from({ length: 64 }, () => callOf("big"));
  let done = 0;
  for (let round = 0; round < 20 && batch.length > 0; round++) {
    const results = await one.deliver(batch);
    assert.deepEqual(
      results.filter(({ kind }) => kind === "failed"),
      [],
    );
    done += results.filter(({ kind }) => kind === "done").length;
    batch = batch.filter((_, index) => results[index]?.kind === "needKeys");
  }
  assert.equal(done, 64);
});

test("what a repeated batch said besides, and one that ran in several slices, are told as they are (5)", async () => {
  const one = await open(
    `"t.say": (turn, n) => { if (n === 3) console.log("three"); return n; },
     "t.slow": (turn, n) => { const until = 400_000; let x = 0; for (let i = 0; i < until; i++) x += i % 7; return n + x * 0; }`,
  );
  const repeat = async (batch: readonly TurnRequest[], expected: readonly TurnResult[]): Promise<unknown> => {
    const [requests, results] = [batch, expected].map((it) => Buffer.from(JSON.stringify(it)));
    const turns = batch.map((it) => it.turn);
    return await one.repeat({ turns, requests: requests as Buffer, expected: results as Buffer });
  };
  const saying = [callOf("say", 2), callOf("say", 3)];
  const said = await one.deliver(saying);
  const quiet = said.map((result) => {
    assert.ok(result.kind === "done");
    const { logs: _, ...rest } = result;
    return rest;
  });
  assert.deepEqual(await repeat(saying, quiet), said);
  assert.equal(await repeat(saying, said), undefined);
  // Far more than one slice is long.
  const slow = Array.from({ length: 64 }, (_, n) => callOf("slow", n));
  const results = await one.deliver(slow);
  assert.equal(await repeat(slow, results), undefined);
  assert.deepEqual(await repeat(slow, results.with(63, { ...results[63], turn: 0 } as TurnResult)), results);
});

test("behind a turn that needs keys, what the next ones will ask for is told, and nothing of them runs (2)", async () => {
  const one = await open(`"t.add": (turn, key) => {
    const n = (turn.keys.get(key) ?? 0) + 1;
    turn.keys.set(key, n);
    return n;
  }, "t.stuck": () => { for (;;); }`);
  const asked = async (batch: readonly TurnRequest[]): Promise<unknown[]> =>
    (await one.deliver(batch)).map((result) => (result.kind === "needKeys" ? result.keys : result.kind));
  const batch = ["a", "b", "a", "c"].map((key) => callOf("add", key));
  let guessed = await asked(batch);
  // On a machine that is busy the slice may be over before anything is guessed.
  for (let again = 0; again < 9 && isDeepStrictEqual(guessed[1], []); again++) guessed = await asked(batch);
  assert.deepEqual(guessed, [["a"], ["b"], ["a"], ["c"]]);
  const keys = [
    ["a", 10],
    ["b", 20],
    ["c", 30],
  ] as const;
  const [first, ...rest] = batch as [TurnRequest, ...TurnRequest[]];
  const results = await one.deliver([{ ...first, keys }, ...rest]);
  assert.deepEqual(results.map(valueOf), [11, 21, 12, 31]);
  // A guess that never ends stops nobody but itself, in its own turn.
  const [behind, stuck] = [callOf("add", "d"), callOf("stuck")];
  assert.deepEqual(await asked([behind, stuck]), [["d"], []]);
  const after = await one.deliver([{ ...behind, keys: [["d"]] }, stuck]);
  assert.deepEqual(told(after), ["done", "TURN_DEADLINE"]);
});

test("guesses that are of no use become few", async () => {
  const one = await open(`"t.next": (turn) => {
    const n = turn.keys.get("n") ?? 0;
    turn.keys.get("k" + n);
    turn.keys.set("n", n + 1);
    return n;
  }`);
  let batch = Array.from({ length: 32 }, () => callOf("next"));
  let guesses = 0;
  for (let round = 0; batch.length > 0; round++) {
    assert.ok(round < 64, "it asks for ever");
    const results = await one.deliver(batch);
    const needed = results.flatMap((result) => (result.kind === "needKeys" ? result.keys : []));
    guesses += results
      .filter(({ kind }, n) => kind === "needKeys" && n > 0)
      .filter((one) => one.kind === "needKeys" && one.keys.length > 0).length;
    batch = batch.filter((_, n) => results[n]?.kind === "needKeys");
    const first = batch[0];
    if (first !== undefined)
      batch[0] = { ...first, keys: [...(first.keys ?? []), ...needed.map((key) => [key] as const)] };
  }
  // Every turn asks for a key that the one before it decides; with a whole batch guessed each time it were 500.
  assert.ok(guesses < 150, String(guesses));
});

/** In the middle of what it does. */
async function standStill(pid: number, ms: number): Promise<void> {
  await new Promise((resume) => setTimeout(resume, 50));
  process.kill(pid, "SIGSTOP");
  await new Promise((resume) => setTimeout(resume, ms));
  process.kill(pid, "SIGCONT");
}
