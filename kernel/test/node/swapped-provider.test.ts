/** A capability changes hands at a boot after a crash: what one capsule did, the other does not do as well. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import { capsule, later, type Turn } from "@vnes/sdk";
import type { Json } from "@vnes/schemas";
import { schemas } from "../harness/node-capsules.ts";
import { bootTestNode, manifestOf, type TestCapsule, type TestNode } from "../harness/node-harness.ts";

const CALLS = 5;
const TIMEOUT_MS = 60_000;
/** Of a boot and what follows from it at once. */
const SWAP_COMMITS = 8;

function addOne(turn: Turn, key: string): void {
  turn.keys.set(key, ((turn.keys.get(key) as number | undefined) ?? 0) + 1);
}

/** Makes a call when it is told to, and counts how each one ended. */
const asker: TestCapsule = {
  manifest: manifestOf("test.asker", {
    capabilities: { provides: ["test.asker"], requires: ["test.desk"] },
    state: { owns: ["end/"] },
  }),
  spec: schemas("test.asker.go", "test.asker.ends"),
  bundle: () =>
    capsule({
      calls: {
        "test.asker.go": (turn, input) => {
          const { n, method } = input as { n: number; method: string };
          const call = { capability: "test.desk", method, input: { n } };
          turn.call({ ...call, tag: "end", context: n, timeoutMs: TIMEOUT_MS });
          return null;
        },
        "test.asker.ends": (turn) => Object.fromEntries(turn.keys.entries("end/")),
      },
      answers: {
        end: (turn, answer, n) => addOne(turn, `end/${n as number}/${answer.ok ? "ok" : answer.code}`),
      },
    }),
};

const spec = {
  "spec/schema.json": {
    $defs: {
      "test.desk.do.input": { type: "object", x_effect: "at_most_once" },
      "test.desk.put.input": { type: "object", x_effect: "idempotent" },
      "test.desk.list.input": { type: "object" },
    },
  },
};

interface Provider {
  readonly capsule: TestCapsule;
  /** How often each call was done; of a driver by what happened outside. */
  list(node: TestNode): Promise<Record<string, number>>;
  readonly drivers: NonNullable<Parameters<typeof bootTestNode>[0]["drivers"]>;
}

/** Answers calls with even numbers at once and the others a second later. */
function logic(id: string): Provider {
  const work = (turn: Turn, input: Json, { callId }: { readonly callId: string }): Json | typeof later => {
    const { n } = input as { n: number };
    addOne(turn, `did/${n}`);
    if (n % 2 === 0) return n;
    turn.setTimer(`answer:${callId}`, turn.at + 1_000, callId);
    return later;
  };
  const bundle = (): ReturnType<typeof capsule> =>
    capsule({
      calls: {
        "test.desk.do": work,
        "test.desk.put": work,
        "test.desk.list": (turn) => Object.fromEntries(turn.keys.entries("did/")),
      },
      timers: { answer: (turn, callId) => turn.answer(callId as string, { ok: true, value: null }) },
    });
  return {
    capsule: {
      manifest: manifestOf(id, { capabilities: { provides: ["test.desk"] }, state: { owns: ["did/"] } }),
      spec,
      bundle,
    },
    list: async ({ ask }) =>
      ((await ask("test.desk", "list", {})) as { value: Record<string, number> }).value,
    drivers: {},
  };
}

/** Answers calls with even numbers at once and the others never. */
function driver(id: string): Provider {
  const did: Record<string, number> = {};
  return {
    capsule: {
      manifest: manifestOf(id, {
        type: "driver",
        capabilities: { provides: ["test.desk"], determinism_tier: "NX_experimental" },
      }),
      spec,
    },
    list: async () => did,
    drivers: {
      [id]: () => ({
        call: ({ input }) => {
          const { n } = input as { n: number };
          did[`did/${n}`] = (did[`did/${n}`] ?? 0) + 1;
          return n % 2 === 0 ? { ok: true, value: n } : new Promise<never>(() => {});
        },
      }),
    },
  };
}

class Lives {
  readonly memory = new LedgerMemory();
  readonly clock = new MemoryClock();

  async boot(provider: Provider, more: Partial<Parameters<typeof bootTestNode>[0]> = {}): Promise<TestNode> {
    // Whoever ran before is dead, and it is later now.
    this.memory.holder?.crash();
    this.clock.advance(10);
    const { memory, clock } = this;
    const capsules = [provider.capsule, asker];
    return await bootTestNode({ ...more, capsules, memory, clock, drivers: provider.drivers });
  }

  async work({ node, settle }: TestNode, method: string): Promise<void> {
    for (let n = 1; n <= CALLS; n++) {
      void node.call("test.asker", "go", { n, method }, 10_000);
      if (n !== 2) await settle();
    }
    await settle();
    this.clock.advance(1_000);
    await settle();
  }

  /** Until every call has ended. */
  async finish({ settle }: TestNode): Promise<void> {
    await settle();
    this.clock.advance(1_000);
    await settle();
    this.clock.advance(TIMEOUT_MS);
    await settle();
  }
}

/** Long after everything that can happen has. */
async function settled(): Promise<void> {
  for (let round = 0; round < 100; round++) await new Promise((resume) => setImmediate(resume));
}

async function ends({ ask }: TestNode): Promise<Record<string, number>> {
  return ((await ask("test.asker", "ends", {})) as { value: Record<string, number> }).value;
}

for (const [what, method, makeNew] of [
  ["a logic capsule to another", "do", logic],
  ["a logic capsule to a driver", "do", driver],
  ["a logic capsule to a driver that may be asked twice", "put", driver],
] as const) {
  test(`from ${what}: with a crash at any commit each call is done at most once and ends once (RE1, RE2)`, async () => {
    const whole = new Lives();
    const node = await whole.boot(logic("test.old"));
    const first = whole.memory.commits + 1;
    await whole.work(node, method);
    const last = whole.memory.commits;
    assert.ok(last >= first + 3);
    let doneByNew = 0;
    for (let commit = first; commit <= last; commit++) {
      for (const kept of [true, false]) {
        const at = `commit ${commit}${kept ? ", kept" : ""}`;
        const lives = new Lives();
        const [old, other] = [logic("test.old"), makeNew("test.other")];
        await lives.work(await lives.boot(old, { faults: { crashAtCommit: { commit, kept } } }), method);
        const swapped = await lives.boot(other);
        await lives.finish(swapped);
        const byOther = await other.list(swapped);
        const ended = await ends(swapped);
        await swapped.node[Symbol.asyncDispose]();
        const back = await lives.boot(old);
        await lives.finish(back);
        const byOld = await old.list(back);
        assert.deepEqual(await ends(back), ended, at);
        await back.node[Symbol.asyncDispose]();

        const endsOf = (n: number): number =>
          Object.entries(ended).reduce(
            (sum, [key, times]) => sum + (key.startsWith(`end/${n}/`) ? times : 0),
            0,
          );
        for (let n = 1; n <= CALLS; n++) {
          const times = (byOld[`did/${n}`] ?? 0) + (byOther[`did/${n}`] ?? 0);
          const said = `${at}: call ${n} of ${JSON.stringify({ byOld, byOther, ended })}`;
          assert.ok(times <= 1, said);
          assert.ok(times <= endsOf(n) && endsOf(n) <= 1, said);
          if (ended[`end/${n}/ok`] === 1) assert.equal(times, 1, said);
          // Answered in the turn that did it: the answer is on record with it (RE2).
          if (n % 2 === 0 && byOld[`did/${n}`] === 1) assert.equal(ended[`end/${n}/ok`], 1, said);
        }
        doneByNew += Object.keys(byOther).length;
      }
    }
    // What nobody had, the new one does; but a driver that cannot be asked twice is not asked after a crash.
    if (makeNew === logic || method === "put") assert.ok(doneByNew > 0);
  });
}

for (const method of ["do", "put"] as const) {
  const may =
    method === "do" ? "is not asked of another" : "that may be done twice is asked of another as well";
  test(`a call that a driver may have begun ${may}, and ends once, with a crash at any commit and one more after the swap (RE3)`, async () => {
    const whole = new Lives();
    const node = await whole.boot(driver("test.old"));
    const first = whole.memory.commits + 1;
    await whole.work(node, method);
    const commits = whole.memory.commits;
    const codes = new Set<string>();
    for (let commit = first; commit <= commits; commit++) {
      for (let second = 1; second <= SWAP_COMMITS; second++) {
        const at = `commit ${commit}, then ${second}`;
        const lives = new Lives();
        const old = driver("test.old");
        const other = logic("test.other");
        const last = second % 2 === 0 ? other : logic("test.third");
        await lives.work(
          await lives.boot(old, { faults: { crashAtCommit: { commit, kept: true } } }),
          method,
        );
        // It dies as well, before or after it has ended anything.
        const again = { commit: lives.memory.commits + second, kept: true };
        await Promise.race([lives.boot(other, { faults: { crashAtCommit: again } }), settled()]);
        const swapped = await lives.boot(last);
        await lives.finish(swapped);
        const [byOld, byOther] = [await old.list(swapped), await last.list(swapped)];
        const ended = await ends(swapped);
        await swapped.node[Symbol.asyncDispose]();
        for (const key of Object.keys(ended)) codes.add(key.split("/")[2] as string);
        for (let n = 1; n <= CALLS; n++) {
          const [did, didOther] = [byOld[`did/${n}`] ?? 0, byOther[`did/${n}`] ?? 0];
          const said = `${at}: call ${n} of ${JSON.stringify({ byOld, byOther, ended })}`;
          const times = Object.entries(ended).filter(([key]) => key.startsWith(`end/${n}/`));
          assert.ok(did <= 1 && didOther <= 1, said);
          assert.deepEqual(
            times.map(([, count]) => count),
            did + didOther > 0 || times.length > 0 ? [1] : [],
            said,
          );
          if (method === "do") assert.equal(didOther, 0, said);
        }
      }
    }
    // `test.other` may have taken one, and left before it answered.
    const other = method === "do" ? "CALL_PROVIDER_CHANGED" : "CALL_TIMEOUT";
    assert.deepEqual([...codes].sort(), [other, "ok"]);
  });
}
