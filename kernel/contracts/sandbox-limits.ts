/**
 * The limits and the errors of the sandbox contract: what a turn may use, what it ends in beyond that, and that nobody else pays. The
 * numbers are those of the port's rules.
 */
import assert from "node:assert/strict";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type TurnRequest, type TurnResult } from "@vnes/schemas";
import { LIMITS, told } from "./sandbox-lab.ts";
import type { ContractRun } from "./sandbox-run.ts";

/** Of what loops; the others of its batch have to be judged within it on a machine that is busy. */
const SHORT = { turnMs: 400 };
/** For what takes its time before it meets another limit. */
const PATIENT = { turnMs: 10_000 };
const MAX_LOG_LINES = 64;
const MAX_LOG_CHARACTERS = 2_000;

type Check = (title: string, body: (run: ContractRun) => Promise<void>) => void;

/** `end`: what a turn ends in that takes all memory there is. */
export function checkMemory(check: Check, end: string): void {
  check(`a turn over its memory ends in ${end}, and the next one has all of it (3)`, async (run) => {
    const one = await run.open("test.contract/0", "contract", PATIENT);
    const batch = [run.call("echo", 1), run.call("hoard", null), run.call("echo", 2)];
    assert.deepEqual(told(await settled(one, batch)), ["done", end, "done"]);
    assert.deepEqual(told(await one.deliver([run.call("hoard", null)])), [end]);
    assert.deepEqual(told(await one.deliver([run.call("echo", 2)])), ["done"]);
  });
}

/** Delivers again what comes again: a turn that others spoilt its sandbox for, then one that did it itself, each with a fresh one. */
async function settled(one: SandboxInstance, batch: readonly TurnRequest[]): Promise<readonly TurnResult[]> {
  const results: TurnResult[] = [];
  for (let round = 0; results.length < batch.length && round <= batch.length; round++) {
    const now = await one.deliver(batch.slice(results.length));
    const again = now.findIndex(({ kind }) => kind === "needKeys");
    results.push(...now.slice(0, again < 0 ? now.length : again));
  }
  return results;
}

export function checkLimits(check: Check): void {
  check(
    "a turn over its deadline fails alone: those before it are kept, those behind it come again (3)",
    async (run) => {
      const one = await run.open("test.contract/0", "contract", SHORT);
      const batch = [run.call("echo", 1), run.call("loop", null), run.call("echo", 2)];
      const results = await one.deliver(batch);
      assert.deepEqual(told(results), ["done", "TURN_DEADLINE", "needKeys"]);
      assert.deepEqual(told(await one.deliver([run.call("echo", 2)])), ["done"]);
      assert.equal((await one.meters()).failedTurns, 1);
    },
  );

  check("an answer over the bound of effects fails its turn, and so does a key (3)", async (run) => {
    const one = await run.open();
    const giant = "x".repeat(2 * LIMITS.effectBytes);
    const batch = [run.call("echo", giant), run.call("drop", giant), run.call("echo", 1)];
    const results = await one.deliver(batch);
    assert.deepEqual(told(results), ["TURN_EFFECTS_TOO_LARGE", "TURN_EFFECTS_TOO_LARGE", "done"]);
  });

  check(
    "of what a turn logs, so many lines of such a length are kept, and the rest is counted",
    async (run) => {
      const one = await run.open();
      const lines = MAX_LOG_LINES + 36;
      const [result] = await one.deliver([run.call("chat", { lines, text: "x".repeat(10_000) })]);
      const logs = logsOf(result);
      assert.equal(logs.length, MAX_LOG_LINES + 1);
      assert.ok(logs.every(({ message }) => message.length <= MAX_LOG_CHARACTERS));
      const { level, message } = logs.at(-1) ?? {};
      assert.deepEqual([level, message], ["warn", "36 more lines of this turn were dropped"]);
    },
  );

  check(
    "an entry the image does not have is refused by name, and whoever runs already goes on",
    async (run) => {
      const one = await run.open();
      const spec = run.spec("test.contract/1");
      const refused: unknown = await run
        .start({ ...spec, entry: `${spec.entry}_none` })
        .catch((error) => error);
      assert.ok(isVnesError(refused), String(refused));
      assert.equal(refused.code, "SANDBOX_BUNDLE_BROKEN");
      assert.equal(refused.details["instance"], "test.contract/1");
      assert.deepEqual(told(await one.deliver([run.call("echo", 1)])), ["done"]);
    },
  );

  check("what a host owed when it died is rejected by name, and its group opens again (1)", async (run) => {
    const one = await run.open("test.contract/0", "dying", PATIENT);
    const { pid } = (await one.meters()).host;
    const owed = assert.rejects(one.deliver([run.call("loop", null)]), { code: "SANDBOX_HOST_DIED" });
    process.kill(pid, "SIGKILL");
    await owed;
    await assert.rejects(one.deliver([run.call("echo", 1)]), { code: "SANDBOX_HOST_DIED" });
    const again = await run.open("test.contract/0", "dying");
    assert.deepEqual(told(await again.deliver([run.call("echo", 1)])), ["done"]);
    assert.notEqual((await again.meters()).host.pid, pid);
  });
}

function logsOf(result: TurnResult | undefined): NonNullable<(TurnResult & { kind: "done" })["logs"]> {
  assert.equal(result?.kind, "done", JSON.stringify(result));
  return result?.kind === "done" ? (result.logs ?? []) : [];
}
