/** Which host a shard's capsule is opened in, and who is to blame when one dies over it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock } from "@vnes/driver-memory";
import { VnesError } from "@vnes/schemas";
import type { Sandbox, SandboxInstance, SandboxSpec } from "../../src/ports/sandbox.ts";
import { HostTrials } from "../../src/runtime/shard/host-trials.ts";

type Fate = "opens" | "dies" | "dies idle" | "breaks";

function failure(code: string, details: { readonly wasIdle?: true } = {}): VnesError {
  const entry = { message: code, fault: "system", retry: false, remedy: "", exit: "failed" } as const;
  return new VnesError(code, entry, details);
}

/** Of the openings, one after the other; `groups` says in which. */
function trials(fates: readonly Fate[]) {
  const groups: string[] = [];
  let disposed = 0;
  const sandbox: Sandbox = {
    async open({ group }) {
      const fate = fates[groups.length] ?? "dies";
      groups.push(group);
      if (fate === "breaks") throw failure("SANDBOX_BUNDLE_BROKEN");
      if (fate === "dies") throw failure("SANDBOX_HOST_DIED");
      if (fate === "dies idle") throw failure("SANDBOX_HOST_DIED", { wasIdle: true });
      return { dispose: async () => void (disposed += 1) } as unknown as SandboxInstance;
    },
    async [Symbol.asyncDispose]() {},
  };
  const spec = { instance: "test.one/0", group: "g" } as SandboxSpec;
  const clock = new MemoryClock();
  return {
    hosts: new HostTrials({ spec, sandbox, clock, notOpened() {} }),
    clock,
    groups,
    disposed: () => disposed,
  };
}

const ALONE = "alone/test.one/0";

test("whose host dies while another is loaded in it is opened in the next one (C4)", async () => {
  const { hosts, groups, disposed } = trials(["dies idle", "dies idle", "opens"]);
  await hosts.openNow();
  assert.deepEqual([groups, disposed()], [["g", "g", "g"], 0]);
});

test("whose host dies while it is loaded shares the next one only once it was loaded alone (C5)", async () => {
  const innocent = trials(["dies", "opens", "opens"]);
  await innocent.hosts.openNow();
  assert.deepEqual([innocent.groups, innocent.disposed()], [["g", ALONE, "g"], 1]);
  for (const [fates, code] of [
    [["dies", "dies"], "CAPSULE_ENDS_HOST"],
    [["dies", "breaks"], "SANDBOX_BUNDLE_BROKEN"],
  ] as const) {
    const guilty = trials(fates);
    await assert.rejects(guilty.hosts.openNow(), { code });
    assert.deepEqual(guilty.groups, ["g", ALONE]);
  }
});

test("who ends its own host as well when it is loaded shares none from then on (C5)", async () => {
  const { hosts, clock, groups } = trials(["dies", "dies", "opens"]);
  const opened = hosts.open(() => true);
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10);
  }
  assert.notEqual(await opened, undefined);
  assert.deepEqual(groups, ["g", ALONE, ALONE]);
});

test("a bundle that does not load is not tried again, and who always loses its host to others goes alone in the end", async () => {
  const broken = trials(["breaks"]);
  await assert.rejects(broken.hosts.openNow(), { code: "SANDBOX_BUNDLE_BROKEN" });
  assert.deepEqual(broken.groups, ["g"]);
  const idle = trials([...Array<Fate>(8).fill("dies idle"), "opens"]);
  await idle.hosts.openNow();
  assert.deepEqual(idle.groups, [...Array<string>(8).fill("g"), ALONE]);
});

test("who is suspected has a host of its own after a suspension as well, for as long as it is (C5)", async () => {
  const { hosts, clock, groups } = trials(["opens", "opens", "opens"]);
  hosts.suspect();
  await hosts.openNow();
  clock.advance(599_000);
  hosts.forgive();
  await hosts.openNow();
  clock.advance(2_000);
  await hosts.openNow();
  assert.deepEqual(groups, [ALONE, ALONE, "g"]);
});
