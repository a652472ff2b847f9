/**
 * Each hostile capsule in a host of its own, beside a healthy one in another: the harm ends in a named code or in the death of
 * its own host, this process stays, and the healthy capsule is served all the while.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import { bundleSource, specOf } from "../../kernel/drivers/isolate/test/bundle.ts";
import { HOST, HOSTILE, type HostileCapsule } from "./capsules.ts";

/** Short, because most of these use all of it. */
const LIMITS = { memoryMb: 16, turnMs: 250, effectBytes: 65_536, cacheBytes: 1_000_000 };
const PING_MS = 5;
/** A turn that is still asking by then asks for ever. */
const MAX_ROUNDS = 2_000;

const sandbox = openHostSandbox(isolateExecutor);
let healthy: { served: number; failed: unknown[]; pid: number; stop(): Promise<void> };

before(async () => {
  healthy = await keepServing();
});

after(async () => {
  await healthy.stop();
  await sandbox[Symbol.asyncDispose]();
});

for (const [index, hostile] of HOSTILE.entries()) {
  test(`a capsule that ${hostile.name} ends in ${hostile.ends.join(" or ")}`, async () => {
    const servedBefore = healthy.served;
    const bundle = hostile.bundle ?? (await bundleSource(sourceOf(hostile)));
    const spec = specOf(bundle, {
      group: `hostile/${index}`,
      instance: `hostile.${index}/0`,
      limits: LIMITS,
    });
    const instance = await sandbox.open(spec);
    const end = await endOf(instance, call("go"));
    assert.ok(hostile.ends.includes(end), `it ended in ${end}`);
    const goesOn = end === HOST ? await sandbox.open(spec) : instance;
    const next = await endOf(goesOn, call("ok"));
    if (hostile.spoils !== true && (end.startsWith("TURN_") || end === HOST)) assert.equal(next, "done");
    else assert.notEqual(next, HOST);
    await goesOn.dispose();
    while (healthy.served === servedBefore && healthy.failed.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, PING_MS));
    }
    assert.deepEqual(healthy.failed, []);
  });
}

test("nothing a capsule does to its prototypes reaches this process", () => {
  for (const name of ["effects", "kind", "polluted", "toJSON", "admin"])
    assert.equal(name in {}, false, name);
  assert.equal(JSON.stringify([1].map((n) => n)), "[1]");
});

test("the healthy capsule was served by one host from beginning to end", () => {
  assert.deepEqual(healthy.failed, []);
  assert.ok(healthy.served >= HOSTILE.length);
});

let turns = 0;

function call(method: string): TurnRequest {
  const turn = ++turns;
  const delivery = {
    kind: "call",
    callId: `c${turn}`,
    capability: "h",
    method,
    input: null,
    caller: "x",
    deadlineAt: 0,
  } as const;
  return { turn, at: 1_700_000_000_000, seed: "0123456789abcdef", delivery };
}

function sourceOf({ top = "", go = "" }: HostileCapsule): string {
  return `import { capsule } from "@vnes/sdk"; ${top}
    export default capsule({ calls: { "h.go": function (turn) { ${go} }, "h.ok": () => 1 } });`;
}

/** `done`, the code of the failure, or the host's death; keys are given as a kernel gives them. */
async function endOf(instance: SandboxInstance, request: TurnRequest): Promise<string> {
  const keys = new KeyTable();
  let asked = request;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let result: TurnResult;
    try {
      [result] = (await instance.deliver([asked])) as [TurnResult];
    } catch (error) {
      return isVnesError(error) ? error.code : assert.fail(`not a coded error: ${String(error)}`);
    }
    if (result.kind === "done") return "done";
    if (result.kind === "failed") return result.code;
    asked = keys.serve(asked, result);
  }
  return "asks for ever";
}

/** A capsule in a host of its own that is asked again and again. */
async function keepServing(): Promise<typeof healthy> {
  const bundle = await bundleSource(
    `import { capsule } from "@vnes/sdk"; export default capsule({ calls: { "h.ok": () => 1 } });`,
  );
  const instance = await sandbox.open(specOf(bundle, { group: "healthy", instance: "healthy/0" }));
  const state = {
    served: 0,
    failed: [] as unknown[],
    pid: (await instance.meters()).host.pid,
    stop: async () => {},
  };
  let isStopping = false;
  const loop = (async () => {
    while (!isStopping) {
      const end = await endOf(instance, call("ok"));
      if (end === "done") state.served += 1;
      else state.failed.push(end);
      await new Promise((resolve) => setTimeout(resolve, PING_MS));
    }
    if ((await instance.meters()).host.pid !== state.pid) state.failed.push("another host");
  })();
  state.stop = async () => {
    isStopping = true;
    await loop;
    assert.deepEqual(state.failed, []);
  };
  return state;
}
