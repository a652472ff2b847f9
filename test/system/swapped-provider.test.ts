/**
 * A real node whose provider of a capability is swapped for another capsule while a call is open: what was had of the old one (the call's id)
 * is worth nothing with the new one, by name, and the call ends by its deadline. What is asked from then on, the new one answers.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "@vnes/schemas";
import { type Booted, Home } from "../cli/vnes.ts";

const PATIENCE_MS = 30_000;
const home = new Home();

/** Takes a call and says its id to anybody; answers whatever call it is told to. */
const desk = (name: string): string => `import { capsule, later } from "@vnes/sdk";
export default capsule({
  calls: {
    "desk.open": (turn, _input, { callId }) => {
      turn.keys.set("${name}.open", callId);
      return later;
    },
    "desk.held": (turn) => turn.keys.get("${name}.open") ?? null,
    "desk.finish": (turn, input) => {
      turn.answer((input as { callId: string }).callId, { ok: true, value: "${name}" });
      return null;
    },
  },
});
`;
const ASKING = `import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "acme.asks.begin": (turn, input) => {
      const { timeoutMs } = input as { timeoutMs: number };
      turn.call({ capability: "desk", method: "open", input: {}, tag: "desk", timeoutMs });
      return null;
    },
    "acme.asks.last": (turn) => {
      // A turn that writes is on record, and what had reached its receiver by then with it.
      turn.keys.set("acme.asks.looked", turn.at);
      return turn.keys.get("acme.asks.last") ?? null;
    },
  },
  answers: {
    desk: (turn, answer) => turn.keys.set("acme.asks.last", answer.ok ? answer.value : answer.code),
  },
});
`;

interface Parts {
  readonly code: string;
  readonly provides: string;
  readonly requires?: readonly string[];
  readonly methods: readonly string[];
  readonly owns: string;
}

async function install(id: string, { code, provides, requires = [], methods, owns }: Parts): Promise<void> {
  const dir = join(home.dir, id);
  for (const folder of ["spec", "src"]) mkdirSync(join(dir, folder), { recursive: true });
  const inputs = methods.map((method) => [`${provides}.${method}.input`, { type: "object" }]);
  const manifest = {
    ...{ id, version: "1.0.0", type: "logic", description: "for a test" },
    capabilities: { provides: [`${provides}@1.0.0`], requires, determinism_tier: "D0_bit_exact" },
    interfaces: { javascript: "impl/main.js" },
    governance: { tier: "local", audit_level: "low", owner: "acme" },
    security: { trust_zone: "tenant" },
    bus: { publishes: [], subscribes: [] },
    state: { owns: [owns] },
  };
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
  writeFileSync(join(dir, "spec", "schema.json"), JSON.stringify({ $defs: Object.fromEntries(inputs) }));
  writeFileSync(join(dir, "spec", "logic.md"), "For a test.\n");
  writeFileSync(join(dir, "src", "main.ts"), code);
  for (const command of ["build", "install"]) {
    const { code: exit, err } = await home.run("capsule", command, dir);
    assert.equal(exit, 0, `${command} ${id}: ${err}`);
  }
}

/** A life of the node in which this one is the provider: of two that are installed nobody would ask either. */
async function boot(provider: "first" | "second"): Promise<Booted> {
  const other = provider === "first" ? "second" : "first";
  await home.run("capsule", "uninstall", `acme.${other}`);
  const parts = { provides: "desk", methods: ["open", "held", "finish"], owns: `${provider}.` };
  await install(`acme.${provider}`, { code: desk(provider), ...parts });
  return await home.boot("--unconfined-dev");
}

async function ask(capability: string, method: string, input: Json = {}): Promise<Json> {
  const words = ["call", capability, method, JSON.stringify(input)];
  return (await home.json<{ value: Json }>(...words)).value;
}

async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  for (const giveUpAt = Date.now() + PATIENCE_MS; !(await look()); await pause(50))
    assert.ok(Date.now() < giveUpAt, what);
}

test("what was had of a provider dies with its swap, and is refused by name", async () => {
  await using _home = home;
  const asking = { provides: "acme.asks", requires: ["desk@^1"], methods: ["begin", "last"] };
  await install("acme.asks", { code: ASKING, ...asking, owns: "acme.asks." });

  const before = await boot("first");
  await ask("acme.asks", "begin", { timeoutMs: 15_000 });
  const held = (): Promise<Json> => ask("desk", "held");
  await until(async () => (await held()) !== null, "nothing arrived at the first provider");
  const reference = await held();
  // Puts on record that the call was taken; without that it would be asked again, of whoever is there then.
  assert.equal(await ask("acme.asks", "last"), null);
  await before.kill("SIGTERM");

  const node = await boot("second");
  const bound = await home.json<{ requires: object[] }>("capsule", "inspect", "acme.asks");
  assert.deepEqual(bound.requires, [{ requirement: "desk@^1", provider: "acme.second", state: "active" }]);
  assert.equal(await ask("desk", "held"), null);
  const refused = await home.run("call", "desk", "finish", JSON.stringify({ callId: reference }));
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /TURN_ANSWER_UNKNOWN_CALL/);
  const last = (): Promise<Json> => ask("acme.asks", "last");
  await until(async () => (await last()) !== null, "the call of the provider that is gone never ended");
  assert.equal(await last(), "CALL_TIMEOUT");

  // Its own call the new one answers, once.
  await ask("acme.asks", "begin", { timeoutMs: 60_000 });
  await until(async () => (await ask("desk", "held")) !== null, "nothing arrived at the second provider");
  const own = await ask("desk", "held");
  assert.notEqual(own, reference);
  assert.equal(await ask("desk", "finish", { callId: own }), null);
  await until(async () => (await last()) === "second", "the second provider's answer did not arrive");
  const again = await home.run("call", "desk", "finish", JSON.stringify({ callId: own }));
  assert.match(again.err, /TURN_ANSWER_UNKNOWN_CALL/);
  await node.kill("SIGTERM");

  // The old one, back, has the call's id in its keys: the call is over, and what it says about it reaches nobody.
  const back = await boot("first");
  assert.equal(await ask("desk", "held"), reference);
  await home.run("call", "desk", "finish", JSON.stringify({ callId: reference }));
  const after = await home.run("call", "desk", "finish", JSON.stringify({ callId: reference }));
  assert.match(after.err, /TURN_ANSWER_UNKNOWN_CALL/);
  assert.equal(await ask("acme.asks", "last"), "second");
  await back.kill("SIGTERM");
});
