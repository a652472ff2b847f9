/**
 * What every sandbox must do, whatever runs inside and whatever wall it stands behind: the rules of `kernel/src/ports/sandbox.ts`, by
 * number, on the capsule of `sandbox-capsule.ts`. Hostile code is for `test/hostile`.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Json, TurnRequest, TurnResult } from "@vnes/schemas";
import { AT, LIMITS, valueOf } from "./sandbox-lab.ts";
import { checkLimits, checkMemory } from "./sandbox-limits.ts";
import { ContractRun, neededOf, type OpenedSandbox, repeated } from "./sandbox-run.ts";
import { modelTranscript, transcript } from "./sandbox-transcript.ts";

export interface SandboxContract {
  readonly name: string;
  open(): Promise<OpenedSandbox>;
  /** The language has none: its capsule throws where a handler of the contract's returns one. */
  readonly hasNoPromises?: boolean;
  /** What a turn ends in that takes all memory there is, where the language itself tells its program so. Default: `TURN_MEMORY`. */
  readonly memoryEnd?: string;
  /** Why memory is not bounded. */
  readonly boundsNoMemory?: string | undefined;
  /** Why it keeps no limits and has no process: none of these are tried. */
  readonly boundsNothing?: string;
  /** Why it is not tried at all. */
  readonly skip?: string | undefined;
}

export function sandboxContract(contract: SandboxContract): void {
  describe(`sandbox contract: ${contract.name}`, () => {
    let opened: OpenedSandbox;
    before(async () => {
      if (contract.skip === undefined) opened = await contract.open();
    });
    after(() => opened?.cleanup());

    const checkUnless =
      (skip: string | undefined) =>
      (title: string, body: (run: ContractRun) => Promise<void>): void => {
        test(title, skip === undefined ? {} : { skip }, async () => {
          const run = new ContractRun(opened);
          try {
            await body(run);
          } finally {
            await run.end();
          }
        });
      };
    const check = checkUnless(contract.skip);

    check("every request of a batch is answered, in order (1)", async (run) => {
      const one = await run.open();
      const batch = Array.from({ length: 64 }, (_, n) => run.call("echo", n));
      const results = await one.deliver(batch);
      assert.deepEqual(
        results.map(valueOf),
        batch.map((_, n) => ({ at: AT, input: n })),
      );
      assert.deepEqual(
        results.map(({ turn }) => turn),
        batch.map(({ turn }) => turn),
      );
      assert.deepEqual(await one.deliver([]), []);
    });

    check("batches sent before the first is answered run in the order they were sent (1)", async (run) => {
      const one = await run.open();
      const batches = [0, 1, 2, 3].map((n) => one.deliver([run.call("echo", n), run.call("echo", n)]));
      const results = (await Promise.all(batches)).flat();
      assert.deepEqual(
        results.map((result) => (valueOf(result) as { input: Json }).input),
        [0, 0, 1, 1, 2, 2, 3, 3],
      );
    });

    check(
      "behind a turn that needs keys nothing runs, in its batch or in batches already sent (2)",
      async (run) => {
        const one = await run.open();
        const [first, second] = await Promise.all([
          one.deliver([run.call("echo", 1), run.call("add", "a"), run.call("echo", 2)]),
          one.deliver([run.call("echo", 3), run.call("echo", 4)]),
        ]);
        const kinds = [...first, ...second].map(({ kind }) => kind);
        assert.deepEqual(kinds, ["done", "needKeys", "needKeys", "needKeys", "needKeys"]);
        assert.deepEqual([...first, ...second].slice(1).map(neededOf), [["n/a"], [], [], []]);
        // Not run means nothing learned and nothing written.
        const [, sent] = await Promise.all([
          one.deliver([run.call("add", "a")]),
          one.deliver([{ ...run.call("add", "b"), keys: [["n/b", 7]] }]),
        ]);
        assert.deepEqual(sent.map(neededOf), [[]]);
        assert.deepEqual((await one.deliver([run.call("add", "b")])).map(neededOf), [["n/b"]]);
        // Delivered again, in order, they run.
        const again = await one.deliver([
          { ...run.call("add", "a"), keys: [["n/a", 41]] },
          run.call("echo", 2),
        ]);
        assert.equal(valueOf(again[0]), 42);
        assert.equal(again[1]?.kind, "done");
      },
    );

    check("a handler that catches the missing key still ends in needKeys (2)", async (run) => {
      const one = await run.open();
      assert.deepEqual((await one.deliver([run.call("swallow", null)])).map(neededOf), [["swallow"]]);
    });

    check("a failed turn names its code, keeps nothing, and the next one runs (3)", async (run) => {
      const one = await run.open();
      const promised = contract.hasNoPromises === true ? "TURN_HANDLER_THREW" : "TURN_RETURNED_PROMISE";
      const results = await one.deliver([
        { ...run.call("add", "a"), keys: [["n/a"]] },
        run.call("fail", "a"),
        run.call("promise", null),
        run.call("invalid", null),
        run.call("add", "a"),
      ]);
      assert.deepEqual(
        results.map((result) => (result.kind === "failed" ? result.code : valueOf(result))),
        [1, "TURN_HANDLER_THREW", promised, "TURN_EFFECT_INVALID", 2],
      );
    });

    check("effects over the bound fail their turn and leave nothing in the cache (3)", async (run) => {
      const one = await run.open();
      const [small] = await one.deliver([run.call("write", 1_000)]);
      assert.equal(small?.kind, "done");
      const [large] = await one.deliver([run.call("write", LIMITS.effectBytes)]);
      assert.equal(large?.kind === "failed" && large.code, "TURN_EFFECTS_TOO_LARGE");
      const [size] = await one.deliver([run.call("size", null)]);
      assert.ok(size?.kind === "needKeys" || valueOf(size) === 1_000, JSON.stringify(size));
    });

    check("what a turn wrote is known to later turns; reset makes the sandbox ask again (4)", async (run) => {
      const one = await run.open();
      await one.deliver([{ ...run.call("add", "a"), keys: [["n/a"]] }]);
      assert.equal(valueOf((await one.deliver([run.call("add", "a")]))[0]), 2);
      await one.reset();
      assert.deepEqual((await one.deliver([run.call("add", "a")])).map(neededOf), [["n/a"]]);
    });

    check("a prefix once given stays complete (4)", async (run) => {
      const one = await run.open();
      const [asked] = await one.deliver([run.call("list", null)]);
      assert.deepEqual(asked?.kind === "needKeys" && asked.ranges, ["n/"]);
      const results = await one.deliver([
        { ...run.call("list", null), keys: [["n/b", 5]], ranges: ["n/"] },
        run.call("add", "a"),
        run.call("drop", "b"),
        run.call("list", null),
      ]);
      assert.deepEqual(valueOf(results[0]), [["n/b", 5]]);
      assert.deepEqual(valueOf(results[3]), [["n/a", 1]]);
    });

    check("a version is what was given; what a turn wrote has one only the kernel knows (4)", async (run) => {
      const one = await run.open();
      const swap = (turn?: number): TurnRequest => run.call("swap", { key: "a", value: 9 }, turn);
      assert.deepEqual((await one.deliver([swap()])).map(neededOf), [["n/a"]]);
      const [first] = await one.deliver([{ ...swap(), keys: [["n/a", 5, 31]] }]);
      assert.equal(valueOf(first), 31);
      const written = { do: "write", key: "n/a", value: 9, expect: 31, ttlMs: 60_000 };
      assert.deepEqual(first?.kind === "done" && first.effects[0], written);
      assert.deepEqual((await one.deliver([swap()])).map(neededOf), [["n/a"]]);
      const [second] = await one.deliver([{ ...swap(), keys: [["n/a", 9, 40]] }]);
      assert.equal(valueOf(second), 40);
      const [absent] = await one.deliver([{ ...run.call("swap", { key: "b", value: 1 }), keys: [["n/b"]] }]);
      assert.equal(valueOf(absent), null);
    });

    check("an expiry deletes the key, for the turns behind it too (4)", async (run) => {
      const one = await run.open();
      const expiry = { kind: "expiry", key: "n/a", version: 3, dueAt: AT } as const;
      const results = await one.deliver([
        { ...run.call("add", "a"), keys: [["n/a", 5, 3]] },
        run.request(expiry),
        run.call("add", "a"),
      ]);
      assert.deepEqual(results[1]?.kind === "done" && results[1].effects, [{ do: "delete", key: "n/a" }]);
      assert.equal(valueOf(results[2]), 1);
    });

    check(
      "a repeated batch that comes to what is expected says nothing more, and counts (5)",
      async (run) => {
        const one = await run.open();
        await one.deliver([{ ...run.call("add", "a"), keys: [["n/a"]] }]);
        const batch = [run.call("add", "a"), run.call("echo", "ä\u2028"), run.call("add", "a")];
        const expected = await one.deliver(batch);
        assert.deepEqual(
          expected.map(({ kind }) => kind),
          ["done", "done", "done"],
        );
        const again = await run.open("test.contract/1");
        await again.deliver([{ ...run.call("add", "a"), keys: [["n/a"]] }]);
        assert.equal(await again.repeat(repeated(batch, expected)), undefined);
        assert.equal((await again.meters()).turns, 4);
        // What they wrote is there for the turns behind them (4).
        assert.equal(valueOf((await again.deliver([run.call("add", "a")]))[0]), 4);
        assert.equal(await one.repeat(repeated([], [])), undefined);
      },
    );

    check("a repeated batch that comes to anything else is told whole (5)", async (run) => {
      const one = await run.open();
      const batch = [run.call("echo", 1), run.call("echo", 2)];
      const results = await one.deliver(batch);
      const [first, second] = results as [TurnResult, TurnResult];
      const third = { ...second, turn: second.turn + 1 } as TurnResult;
      for (const other of [[], [first], [second, first], [first, third], [first, second, third]])
        assert.deepEqual(await one.repeat(repeated(batch, other)), results);
      // A failure is never what was expected: whoever asks has to look at it.
      const failing = [run.call("fail", "a")];
      const failed = await one.deliver(failing);
      assert.deepEqual(await one.repeat(repeated(failing, [first])), failed);
      assert.equal((await one.meters()).failedTurns, 2);
    });

    check(
      "behind a repeated turn that needs keys nothing runs, in its batch or in those already sent (2, 5)",
      async (run) => {
        const one = await run.open();
        const [asking, behind, sent] = [run.call("add", "a"), run.call("echo", 1), run.call("echo", 2)];
        const asked = { turn: asking.turn, kind: "needKeys", keys: ["n/a"], ranges: [] } as const;
        const notRun = (turn: number): TurnResult => ({ turn, kind: "needKeys", keys: [], ranges: [] });
        const guesses = [asked, notRun(behind.turn)];
        const results = await Promise.all([
          one.repeat(repeated([asking, behind], guesses)),
          one.repeat(repeated([sent], [notRun(sent.turn)])),
        ]);
        assert.deepEqual(results, [guesses, [notRun(sent.turn)]]);
      },
    );

    check("a request changed after it was sent is not changed in the sandbox", async (run) => {
      const one = await run.open();
      const input = { list: [1] };
      const sent = one.deliver([run.call("echo", input)]);
      input.list.push(2);
      assert.deepEqual(valueOf((await sent)[0]), { at: AT, input: { list: [1] } });
    });

    check("instances share nothing, in one group and in two", async (run) => {
      const [a, b, c] = [
        await run.open("test.contract/0"),
        await run.open("test.contract/1"),
        await run.open("test.contract/2", "other"),
      ];
      await a.deliver([{ ...run.call("add", "k"), keys: [["n/k"]] }]);
      assert.equal((await b.deliver([run.call("add", "k")]))[0]?.kind, "needKeys");
      assert.equal((await c.deliver([run.call("add", "k")]))[0]?.kind, "needKeys");
      assert.equal(valueOf((await a.deliver([run.call("add", "k")]))[0]), 2);
    });

    check("one instance can be given back while others of its group go on", async (run) => {
      const [a, b] = [await run.open("test.contract/0"), await run.open("test.contract/1")];
      await a.dispose();
      await a.dispose();
      assert.equal((await b.deliver([run.call("echo", 1)]))[0]?.kind, "done");
      const again = await run.open("test.contract/0");
      assert.equal((await again.deliver([run.call("echo", 1)]))[0]?.kind, "done");
    });

    check("meters count turns and failed turns", async (run) => {
      const one = await run.open();
      await one.deliver([
        run.call("echo", 1),
        run.call("fail", "a"),
        run.call("add", "a"),
        run.call("echo", 1),
      ]);
      const { turns, failedTurns, host, memoryBytes, bytes, cpuMs } = await one.meters();
      assert.deepEqual([turns, failedTurns, host.group], [2, 1, "contract"]);
      assert.ok(memoryBytes >= 0 && cpuMs >= 0 && bytes >= 0 && host.memoryBytes >= 0);
    });

    check(
      "meters count the bytes that cross both ways, whether they are delivered or repeated",
      async (run) => {
        const [one, again] = [await run.open(), await run.open("test.contract/1")];
        const batch = [run.call("echo", "ä\u20ac")];
        const results = await one.deliver(batch);
        assert.equal(await again.repeat(repeated(batch, results)), undefined);
        const { requests, expected } = repeated(batch, results);
        const { bytes } = await one.meters();
        // A sandbox that writes no JSON counts none.
        if (bytes > 0) assert.equal(bytes, requests.length + expected.length);
        assert.equal((await again.meters()).bytes, bytes);
      },
    );

    check(
      "every delivery finds its handler, and a transcript in one instance equals one in a fresh instance a turn",
      async (run) => {
        const kept = await transcript(run, false);
        const fresh = await transcript(run, true);
        assert.deepEqual(fresh, kept);
        const hash = (results: readonly TurnResult[]): string =>
          createHash("sha256").update(JSON.stringify(results)).digest("hex");
        assert.equal(hash(fresh), hash(kept));
        const kinds = new Set(
          kept.flatMap((result) => (result.kind === "done" ? result.effects.map((effect) => effect.do) : [])),
        );
        assert.deepEqual([...kinds].sort(), [
          "answer",
          "call",
          "cancelTimer",
          "delete",
          "publish",
          "read",
          "setTimer",
          "write",
        ]);
        const batch = kept.flatMap((result) => (result.kind === "done" ? result.effects : []));
        const [summed] = batch.filter((effect) => effect.do === "write" && effect.key === "batch");
        const value = { topic: "contract.v1", partition: 0, seqs: [4, 5, 7], sum: 16 };
        assert.deepEqual(summed, { do: "write", key: "batch", value });
        // The one that is told to, an unknown timer, and a batch of a topic nobody handles.
        assert.equal(kept.filter(({ kind }) => kind === "failed").length, 3);
      },
    );

    check("the same deliveries have the same effects, refusals and codes in every sandbox", async (run) => {
      assert.deepEqual(comparable(await transcript(run, false)), comparable(await modelTranscript()));
    });

    const { skip, boundsNothing, boundsNoMemory, memoryEnd = "TURN_MEMORY" } = contract;
    checkLimits(checkUnless(skip ?? boundsNothing));
    checkMemory(checkUnless(skip ?? boundsNothing ?? boundsNoMemory), memoryEnd);
  });
}

/** Without the texts of failures, which each language words in its own way, and without lines of its source. */
function comparable(results: readonly TurnResult[]): unknown[] {
  return results.map((result) => {
    if (result.kind !== "failed") return result;
    const { place: _, ...failed } = result;
    return { ...failed, message: "" };
  });
}
