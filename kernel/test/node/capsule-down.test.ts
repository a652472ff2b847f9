import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bundle, LedgerMemory, MemoryClock, MemorySandbox } from "@vnes/driver-memory";
import { capsule } from "@vnes/sdk";
import { intake, tally } from "../harness/node-capsules.ts";
import { bootTestNode, manifestOf, policy } from "../harness/node-harness.ts";

test("a capsule that keeps killing its host is suspended; after another chance it is unloaded and its image denied", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const hostDiesAt = new Set(Array.from({ length: 500 }, (_, index) => index + 2));
  const sandbox = new MemorySandbox({ "test.tally": tally.bundle as () => Bundle }, { hostDiesAt });
  const alone = { ...tally, manifest: { ...tally.manifest, bus: {} } };
  const { node, settle, quarantine } = await bootTestNode({
    capsules: [alone],
    memory,
    clock,
    parts: { sandbox },
  });
  assert.equal((await quarantine.list()).length, 0);
  const killThrice = async (): Promise<string | undefined> => {
    const answers = [1, 2, 3].map(() => node.call("test.tally", "get", {}, 1_000));
    for (let round = 0; round < 30; round++) {
      await settle();
      clock.advance(50);
    }
    assert.deepEqual(
      (await Promise.all(answers)).map((answer) => (answer.ok ? "ok" : answer.code)),
      Array(3).fill("TURN_KILLED_HOST"),
    );
    return (await node.status()).capsules[0]?.state;
  };
  assert.equal(await killThrice(), "suspended");
  await node.resume("test.tally");
  assert.equal(await killThrice(), "unloaded");
  await node[Symbol.asyncDispose]();
  const next = await bootTestNode({ capsules: [alone], memory, clock });
  assert.deepEqual(
    (await next.quarantine.list()).map(({ reasons }) => reasons[0]?.code),
    ["CAPSULE_IMAGE_DENIED"],
  );
  await next.node[Symbol.asyncDispose]();
});

test("a capsule that policy requires cannot be unloaded; one that went down by itself makes the node degraded", async () => {
  const parts = { policy: { ...policy, required: ["test.tally"] } };
  const lines: { readonly at?: string; readonly message: string }[] = [];
  const ignore = (): void => {};
  const warn = (data: object, message: string): void => void lines.push({ ...data, message });
  const log = { debug: ignore, info: ignore, warn, error: ignore };
  const down = {
    ...tally,
    manifest: { ...manifestOf("test.down"), state: { owns: ["x/"] } },
    bundle: () =>
      capsule({
        start: () => {
          throw new Error("no");
        },
      }),
  };
  const { node } = await bootTestNode({ capsules: [tally, intake, down], parts: { ...parts, log } });
  await assert.rejects(node.unload("test.tally"), { code: "CAPSULE_IN_USE" });
  const { state, problems } = await node.status();
  assert.equal(state, "degraded");
  assert.deepEqual(
    problems.map(({ code, file }) => [code, file]),
    [["CAPSULE_DOWN", "test.down"]],
  );
  const said = lines.find(({ message }) => message === "Error: no");
  assert.match(said?.at ?? "", /capsule-down\.test\.ts:\d+:\d+$/);
  // Why, where somebody looks who only booted the node; and what to do about that.
  assert.match(problems[0]?.message ?? "", /CAPSULE_START_FAILED: .*TURN_HANDLER_THREW: Error: no$/);
  assert.match(problems[0]?.remedy ?? "", /^mend .*capsules\.config.* vnes capsule inspect test\.down /);
  await node[Symbol.asyncDispose]();
});
