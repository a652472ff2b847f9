/**
 * Each hostile module in a host of its own beside a healthy one in another: the harm ends in a named code, the module's own host
 * stays and does not grow, and the healthy capsule is served all the while.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { wasmExecutor } from "@vnes/driver-wasm";
import { callOf, endOf, finish, specOf, watModule } from "../../kernel/drivers/wasm/test/modules.ts";
import { HOSTILE_MODULES } from "./wasm-modules.ts";

const LIMITS = { memoryMb: 16, turnMs: 250, effectBytes: 65_536, cacheBytes: 1_000_000 };
const PING_MS = 5;
const MEGABYTE = 1024 * 1024;

const sandbox = openHostSandbox(wasmExecutor);
let isOver = false;
let served = 0;
let serving: Promise<void>;

before(async () => {
  const healthy = await sandbox.open(specOf(watModule(""), { group: "healthy" }));
  serving = (async () => {
    while (!isOver) {
      assert.equal(await endOf(healthy, callOf("ok")), "done");
      served += 1;
      await new Promise((resolve) => setTimeout(resolve, PING_MS));
    }
  })();
});

after(async () => {
  isOver = true;
  await serving;
  await sandbox[Symbol.asyncDispose]();
});

for (const { name, go, ends, ...more } of HOSTILE_MODULES) {
  test(`a module that ${name} ends in ${ends.join(" or ")}`, async () => {
    const servedBefore = served;
    const spec = specOf(watModule(go, more), { group: name, limits: LIMITS });
    const instance = await sandbox.open(spec);
    const { pid } = (await instance.meters()).host;
    const result = await finish(instance, callOf("go"));
    const end = result.kind === "failed" ? result.code : result.kind;
    assert.ok(ends.includes(end), JSON.stringify(result));
    assert.equal(await endOf(instance, callOf("ok")), "done");
    assert.equal((await instance.meters()).host.pid, pid);
    await instance.dispose();
    while (served === servedBefore) await new Promise((resolve) => setTimeout(resolve, PING_MS));
  });
}

test("memories that failed turns left behind are given back", async () => {
  const { go, ...more } = HOSTILE_MODULES.find(
    ({ name }) => name === "takes all its memory and traps",
  ) as never as {
    readonly go: string;
  };
  const instance = await sandbox.open(specOf(watModule(go, more), { group: "growing", limits: LIMITS }));
  const take = async (times: number): Promise<number> => {
    for (let n = 0; n < times; n++) assert.equal(await endOf(instance, callOf("go")), "TURN_HANDLER_THREW");
    return (await instance.meters()).host.memoryBytes / MEGABYTE;
  };
  const before = await take(20);
  const after = await take(100);
  // A hundred times 16 MB, if they were kept.
  assert.ok(after < before + 160, `${before.toFixed(0)} MB, then ${after.toFixed(0)} MB`);
});
