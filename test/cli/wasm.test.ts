/** A WebAssembly capsule from its folder to a running node: built, admitted, called, killed and gone on, replayed. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compileAssembly, wat } from "../../kernel/drivers/wasm/test/modules.ts";
import { Home } from "./vnes.ts";

const TALLY = fileURLToPath(new URL("../../capsules/example/tally/wasm", import.meta.url));

test("a module is built, installed and called, goes on after a kill, and replays to the last bit", async () => {
  await using home = new Home();
  const dir = join(home.dir, "tally");
  cpSync(TALLY, dir, { recursive: true });
  await compileAssembly(dir, "tally");
  await home.json("capsule", "build", dir);
  await home.json("capsule", "install", dir);

  const first = await home.boot("--unconfined-dev");
  const add = async (name: string, amount: number): Promise<number> => {
    const input = JSON.stringify({ name, amount });
    return (await home.json<{ value: { total: number } }>("call", "tally", "add", input)).value.total;
  };
  assert.equal(await add("ann", 3), 3);
  assert.equal(await add("ann", 4), 7);
  const refused = await home.run("call", "tally", "add", '{"name":"ann","amount":1001}');
  assert.match(refused.err, /TALLY_AMOUNT_TOO_LARGE/);
  await home.json("topic", "publish", "tally.fed.v1", '{"name":"bob","amount":20}');
  await first.kill("SIGKILL");

  const second = await home.boot("--unconfined-dev");
  assert.equal(await add("ann", 1), 8);
  const { value } = await home.json<{ value: unknown }>("call", "tally", "top", "{}");
  const entries = [
    { name: "bob", total: 20 },
    { name: "ann", total: 8 },
  ];
  assert.deepEqual(value, { entries });
  interface Replay {
    readonly turns: number;
    readonly difference: unknown;
    readonly recordedHash: string;
    readonly replayedHash: string;
  }
  const replay = await home.json<Replay>("replay", "tally.wasm");
  assert.equal(replay.difference, null);
  assert.equal(replay.recordedHash, replay.replayedHash);
  assert.ok(replay.turns >= 6, `${replay.turns} turns`);
  await second.kill("SIGTERM");
});

test("a module without a maximum of its memory is refused by verify and install, with what to type", async () => {
  await using home = new Home();
  const dir = join(home.dir, "tally");
  cpSync(TALLY, dir, { recursive: true });
  const module = wat('(module (memory (export "memory") 1) (func (export "deliver") (param i32)))');
  mkdirSync(join(dir, "impl"), { recursive: true });
  writeFileSync(join(dir, "impl", "tally.wasm"), module);
  await home.json("capsule", "build", dir);
  for (const command of ["verify", "install"]) {
    const { code, err, out } = await home.run("capsule", command, dir);
    assert.equal(code, 5, err);
    assert.match(out + err, /WASM_MEMORY_UNBOUNDED[\s\S]*impl\/tally\.wasm[\s\S]*--maximumMemory/);
  }
});
