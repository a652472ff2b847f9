/** One capsule shard on memory drivers, with a hand-written bundle: for tests of the loop alone. */
import { createHash } from "node:crypto";
import {
  LedgerMemory,
  MemoryClock,
  MemoryLedgerStore,
  MemorySandbox,
  SeededRandom,
} from "@vnes/driver-memory";
import type { Delivery, Effect, Json, Manifest, TurnRequest, TurnResult } from "@vnes/schemas";
import { uncounted } from "../../src/runtime/shard/capsule-budget.ts";
import { CapsuleShard } from "../../src/runtime/shard/capsule-shard.ts";
import { Counters } from "../../src/runtime/node/counters.ts";
import { recoverShard } from "../../src/runtime/boot/recovery.ts";
import { ShardLog } from "../../src/runtime/ledger/shard-log.ts";
import type { OutboxEntry } from "../../src/ledger/outbox.ts";
import { emptyShard } from "../../src/ledger/shard-state.ts";
import type { Digest } from "../../src/ports/digest.ts";
import type { Log } from "../../src/ports/log.ts";
import type { Sandbox, SandboxInstance } from "../../src/ports/sandbox.ts";

export const digest: Digest = {
  sha256: (...chunks) => {
    const hash = createHash("sha256");
    for (const chunk of chunks) hash.update(chunk);
    return hash.digest();
  },
};

const silence: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export const manifest: Manifest = {
  id: "test.counter",
  version: "1.0.0",
  type: "logic",
  description: "counts",
  capabilities: { provides: ["test.count"], requires: ["test.other"] },
  governance: { tier: "local", audit_level: "none" },
  state: { owns: ["n/"] },
};

/**
 * A bundle with a cache, as the sdk's is: calls raise a key that is read through `needKeys`, or only look at it. It foresees
 * what a call will ask for.
 */
function counterBundle(): {
  deliver(request: TurnRequest): TurnResult;
  foresee(request: TurnRequest): TurnResult;
  reset(): void;
} {
  let cache = new Map<string, Json | undefined>();
  const effectsOf = (request: TurnRequest): Effect[] | string[] => {
    const { delivery } = request;
    for (const [key, value] of request.keys ?? []) cache.set(key, value);
    if (delivery.kind === "timer")
      return [{ do: "write", key: `n/fired/${delivery.id}/${request.at}`, value: 1 }];
    if (delivery.kind !== "call") return [];
    const input = delivery.input as {
      key: string;
      look?: boolean;
      /** Asks for the same large key a thousand times and for one more each round, without end. */
      greedy?: boolean;
      forbidden?: boolean;
      /** Publishes to a topic of that many characters, the 512th of which is half a pair. */
      topic?: number;
      set?: [id: string, at: number];
      cancel?: string;
    };
    if (input.set !== undefined)
      return [{ do: "setTimer", id: input.set[0], at: input.set[1], payload: null }];
    if (input.cancel !== undefined) return [{ do: "cancelTimer", id: input.cancel }];
    if (input.topic !== undefined) {
      const topic = `${"x".repeat(511)}\u{1f600}`.padEnd(input.topic, "x");
      return [{ do: "publish", topic, key: "", event: null }];
    }
    const key = `n/${input.key}`;
    if (input.greedy === true)
      return [...Array<string>(1_000).fill(key), `${key}${request.keys?.length ?? 0}`];
    if (!cache.has(key)) return [key];
    if (input.look === true) {
      const answer = { ok: true, value: cache.get(key) ?? null } as const;
      return [{ do: "answer", callId: delivery.callId, answer }];
    }
    const value = ((cache.get(key) as number | undefined) ?? 0) + 1;
    cache.set(key, value);
    const effects: Effect[] = [
      { do: "write", key, value },
      { do: "answer", callId: delivery.callId, answer: { ok: true, value } },
    ];
    if (input.forbidden === true) effects.push({ do: "write", key: "elsewhere", value: 1 });
    return effects;
  };
  return {
    reset: () => {
      cache = new Map();
    },
    foresee: ({ turn, delivery }) => {
      const key = delivery.kind === "call" ? `n/${(delivery.input as { key?: string }).key}` : "";
      const isMissing = delivery.kind === "call" && !cache.has(key);
      return { turn, kind: "needKeys", keys: isMissing ? [key] : [], ranges: [] };
    },
    deliver: (request) => {
      const effects = effectsOf(request);
      const { turn } = request;
      if (typeof effects[0] === "string")
        return { turn, kind: "needKeys", keys: effects as string[], ranges: [] };
      return { turn, kind: "done", effects: effects as Effect[] };
    },
  };
}

export interface Harness {
  readonly shard: CapsuleShard;
  readonly memory: LedgerMemory;
  readonly clock: MemoryClock;
  readonly counters: Counters;
  readonly released: { readonly entry: OutboxEntry; confirm(): void }[];
  readonly deadLetters: string[];
  readonly givenUp: unknown[];
  /** Why none could be opened, each time. */
  readonly noHosts: readonly string[];
  /** Groups of the hosts that were opened. */
  readonly groups: readonly string[];
  /** The host of a group dies, whatever is in it; default: the shard's own. */
  hostDies(group?: string): void;
  /** Batches that were in the sandbox at the same time, at most. */
  mostSent(): number;
  /** Answers given so far by call id. */
  answers(): Map<string, unknown>;
  call(n: number, input: Json): boolean;
  /** The same from a person: it leaves a record only if it asks for something durable. */
  ask(n: number, input: Json): boolean;
  /** Lets everything that can happen without time passing happen. */
  settle(): Promise<void>;
}

function countSent(
  sandbox: Sandbox,
  sent: { now: number; most: number; readonly groups: string[]; readonly breaksAt: number | undefined },
  handedOn: () => Promise<void> | undefined,
): Sandbox {
  const counted = (instance: SandboxInstance): SandboxInstance => ({
    deliver: async (batch) => {
      sent.most = Math.max(sent.most, ++sent.now);
      try {
        const results = await instance.deliver(batch);
        await handedOn();
        return results;
      } finally {
        sent.now--;
      }
    },
    repeat: (batch) => instance.repeat(batch),
    reset: () => instance.reset(),
    meters: () => instance.meters(),
    dispose: () => instance.dispose(),
  });
  return {
    open: async (spec) => {
      sent.groups.push(spec.group);
      if (sent.groups.length === sent.breaksAt) throw new Error("it does not load");
      return counted(await sandbox.open(spec));
    },
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

export async function openHarness(options: {
  readonly memory?: LedgerMemory;
  readonly clock?: MemoryClock;
  readonly faults?: ConstructorParameters<typeof MemoryLedgerStore>[1];
  readonly hostDiesAt?: ReadonlySet<number>;
  readonly deadlineAt?: ReadonlySet<number>;
  readonly openFailsAt?: ReadonlySet<number>;
  /** What is opened then does not load. */
  readonly openBreaksAt?: number;
  readonly maxStateSize?: number;
  /** Told of every batch that crosses into the sandbox. */
  readonly onBatch?: () => void;
  /** Each answer of the sandbox is there before the shard hears of it; resolves when it does. */
  readonly handedOn?: () => Promise<void>;
  readonly onRelease?: (entry: OutboxEntry, memory: LedgerMemory) => void;
}): Promise<Harness> {
  const memory = options.memory ?? new LedgerMemory();
  const clock = options.clock ?? new MemoryClock();
  const store = new MemoryLedgerStore(memory, options.faults);
  const counters = new Counters();
  const name = "test.counter/0";
  const recovered = memory.shards.has(name) ? await recoverShard(store, name, digest) : undefined;
  const log = new ShardLog({ shard: name, store, digest, clock, onStall: () => {} }, recovered?.head);
  const released: Harness["released"][number][] = [];
  const deadLetters: string[] = [];
  const givenUp: unknown[] = [];
  const noHosts: string[] = [];
  const { onBatch, hostDiesAt, deadlineAt, openFailsAt } = options;
  const later = (_batch: number, resume: () => void): void => {
    onBatch?.();
    resume();
  };
  const faults = {
    ...(hostDiesAt === undefined ? {} : { hostDiesAt }),
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(openFailsAt === undefined ? {} : { openFailsAt }),
    ...(onBatch === undefined ? {} : { later }),
  };
  const memorySandbox = new MemorySandbox({ "test.counter": counterBundle }, faults);
  const sent = { now: 0, most: 0, groups: [], breaksAt: options.openBreaksAt };
  const sandbox = countSent(memorySandbox, sent, () => options.handedOn?.());
  const addCall = (callId: string, input: Json, caller: string): Delivery => {
    const deadlineAt = clock.now() + 1_000;
    return { kind: "call", callId, capability: "test.count", method: "add", input, caller, deadlineAt };
  };
  const shard = new CapsuleShard({
    spec: {
      instance: name,
      image: { hash: "sha256:00", files: [] },
      language: "javascript",
      entry: "impl/main.js",
      zone: "system",
      group: "g",
      limits: { memoryMb: 8, turnMs: 100, cacheBytes: 1, effectBytes: 1_000_000 },
    },
    version: "1.0.0",
    sandbox,
    rules: {
      manifest,
      topics: new Map(),
      capabilities: new Map(),
      required: new Set(["test.other"]),
      ownersOf: () => [],
      maxStateSize: options.maxStateSize ?? 1e9,
    },
    state: recovered?.state ?? emptyShard(name),
    log,
    clock,
    random: new SeededRandom(7),
    counters,
    budget: uncounted(clock),
    lines: silence,
    isHeld: () => false,
    release: (entry, confirm) => {
      options.onRelease?.(entry, memory);
      released.push({ entry, confirm: () => confirm(entry) });
    },
    deadLetter: ({ code }) => deadLetters.push(code),
    hostDied: () => {},
    noHost: ({ code }) => noHosts.push(code),
    giveUp: (error) => givenUp.push(error),
  });
  await shard.load();
  return {
    shard,
    memory,
    clock,
    counters,
    released,
    deadLetters,
    givenUp,
    noHosts,
    groups: sent.groups,
    hostDies: (group = "g") => memorySandbox.dies(group),
    mostSent: () => sent.most,
    answers: () =>
      new Map(
        released.flatMap(({ entry: { effect } }) =>
          effect.do === "answer"
            ? [[effect.callId, effect.answer.ok ? effect.answer.value : effect.answer.code]]
            : [],
        ),
      ),
    call: (n, input) => {
      const source = { shard: "test.caller/0", seq: n, index: 0 };
      return shard.receive(source, 1, addCall(`test.caller/0:${n}:0`, input, "test.caller"), () => {});
    },
    ask: (n, input) => shard.receiveValue("control", addCall(`control/test:${n}:0`, input, "control")),
    settle: async () => {
      for (let round = 0; round < 50; round++) await new Promise((resume) => setImmediate(resume));
    },
  };
}
