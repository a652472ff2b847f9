/** Isolates behind the wall: who shares a host, and what a death for memory is called. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { SandboxSpec } from "@vnes/kernel";
import type { TrustZone, ZoneConfinement } from "@vnes/schemas";
import { bundleSource, specOf } from "../../isolate/test/bundle.ts";
import { confinementFor, walls } from "./probe.ts";

const { wallOf } = walls;
const sandbox = openHostSandbox(isolateExecutor, { wallOf });
after(() => sandbox[Symbol.asyncDispose]());

const bundle = await bundleSource(`import { capsule } from "@vnes/sdk"; export default capsule({ calls: {
  "t.flood": () => { const kept = []; for (;;) kept.push(new Array(100_000).fill(kept.length)); },
} });`);

function spec(instance: string, zone: TrustZone, limits?: ZoneConfinement): SandboxSpec {
  const confinement = confinementFor(zone, limits);
  return {
    ...specOf(bundle, { instance, group: "same", limits: { turnMs: 5_000, memoryMb: 4_096 } }),
    zone,
    confinement,
  };
}

test("instances of one group share a host only if they are confined alike (W3)", async () => {
  const one = await sandbox.open(spec("t.a/0", "tenant"));
  const alike = await sandbox.open(spec("t.b/0", "tenant"));
  const tighter = await sandbox.open(spec("t.c/0", "tenant", { memory_mb: 300 }));
  const other = await sandbox.open(spec("t.d/0", "session"));
  const hosts = await Promise.all(
    [one, alike, tighter, other].map(async (instance) => (await instance.meters()).host.pid),
  );
  assert.equal(hosts[0], hosts[1]);
  assert.equal(new Set(hosts).size, 3);
  await Promise.all([one, alike, tighter, other].map((instance) => instance.dispose()));
});

test("a capsule that takes more memory than its host may have ends the host, and its death says so (W7)", async () => {
  const instance = await sandbox.open(spec("t.e/0", "ephemeral"));
  const call = {
    kind: "call",
    callId: "c",
    capability: "t",
    method: "flood",
    input: null,
    caller: "x",
    deadlineAt: 0,
  } as const;
  await assert.rejects(instance.deliver([{ turn: 1, at: 1, seed: "0123456789abcdef", delivery: call }]), {
    code: "SANDBOX_HOST_DIED",
    message: /it used more than its 192 MiB of memory/,
  });
});

test("what is to be confined does not run where nothing puts walls up (W1)", async () => {
  await using without = openHostSandbox(isolateExecutor);
  await assert.rejects(without.open(spec("t.f/0", "tenant")), { code: "HOST_WALL_MISSING" });
});
