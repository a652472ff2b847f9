/**
 * A session store under everything clients do, for as many transitions as are asked for: the built capsule in its isolate, a real
 * node, the embedded ledger. Halfway the node ends and boots again. Every transition is checked while it runs (`follower.ts`);
 * in the end the node boots once more, says what it holds, and its ledger is verified as a whole.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openClosedLedger } from "@vnes/driver-sqlite";
import { type Json, type JsonObject } from "@vnes/schemas";
import { verifyLedger } from "@vnes/kernel";
import { nodeDigest } from "@vnes/registry";
import { bootSessionNode, buildSession, type SessionNode } from "../bench/session-node.ts";
import { seeded } from "../../capsules/vpn/test/lab.ts";
import { Client } from "./clients.ts";
import { Follower } from "./follower.ts";

const IN_FLIGHT = 128;
const CALL_TIMEOUT_MS = 60_000;
const STATE_MB = 1_024;
const SAY_EVERY_MS = 10_000;
/** Nothing more came for so long: the store has come to rest, but for clocks that are not due yet. */
const REST_MS = 300;
/** So often the node stands still, as a process does that was stopped, and for so long at most: what came meanwhile comes at once then. */
const STILL_EVERY_MS = 500;
const MAX_STILL_MS = 100;
const PAGE = 200;

export interface SoakOptions {
  readonly transitions: number;
  readonly clients: number;
  readonly seed: number;
  /** Ends with what there is; the report says that it is less than was asked for. */
  readonly maxMs: number;
  /** Empty, and the run's own. */
  readonly directory: string;
  say(line: string): void;
}

export interface SoakReport {
  readonly transitions: number;
  readonly requests: number;
  readonly sessions: number;
  readonly live: number;
  readonly seconds: number;
  readonly records: number;
  readonly rssMb: number;
}

/** Rejects at the first violation. */
export async function soakSessions(options: SoakOptions): Promise<SoakReport> {
  const { transitions, directory, maxMs } = options;
  const built = await buildSession();
  const path = join(directory, "ledger.sqlite");
  const boot = () => bootSessionNode(built, path, { maxSessions: 2 * options.clients, stateMb: STATE_MB });
  const run = new Run(options);
  const startedAt = performance.now();
  const until = startedAt + maxMs;
  for (const goal of [Math.floor(transitions / 2), transitions]) {
    await using sessions = await boot();
    await run.load(sessions, goal, until);
  }
  {
    await using sessions = await boot();
    await run.compare(sessions);
  }
  run.follower.end();
  await using ledger = await openClosedLedger(path);
  const shards = await verifyLedger(ledger.store, nodeDigest, { isOnlyStore: true });
  assert.deepEqual([...ledger.problems, ...shards.flatMap(({ damage }) => damage ?? [])], []);
  const { moves, transitions: seen } = run.follower;
  return {
    transitions: seen,
    requests: run.requests,
    sessions: moves.last.size,
    live: moves.live.size,
    seconds: (performance.now() - startedAt) / 1_000,
    records: shards.reduce((sum, { last }) => sum + last, 0),
    rssMb: process.memoryUsage().rss / 2 ** 20,
  };
}

class Run {
  readonly follower = new Follower();
  requests = 0;
  readonly #options: SoakOptions;
  readonly #clients: readonly Client[];
  readonly #random: () => number;
  #node: SessionNode["node"] | undefined;

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#clients = Array.from({ length: options.clients }, (_, number) => {
      const ask = (method: string, input: Json): Promise<JsonObject> => this.#ask(method, input);
      return new Client(number, ask, this.#random, (told) => this.follower.told(told));
    });
  }

  /** Until `goal` transitions were seen in all, or it is time. */
  async load({ node, ledger }: SessionNode, goal: number, until: number): Promise<void> {
    this.#node = node;
    let isOver = false;
    const workers = Math.min(IN_FLIGHT, this.#clients.length);
    // A client is one worker's own: it waits for its answer before it goes on.
    const worker = async (first: number): Promise<void> => {
      for (let at = first; !isOver; at = at + workers < this.#clients.length ? at + workers : first)
        await (this.#clients[at] as Client).step();
    };
    const following = async (): Promise<void> => {
      let saidAt = performance.now();
      try {
        while (this.follower.transitions < goal && performance.now() < until) {
          if (!(await this.follower.read(ledger))) await delay(5);
          if (performance.now() - saidAt < SAY_EVERY_MS) continue;
          saidAt = performance.now();
          this.#options.say(`${this.follower.transitions.toLocaleString("en")} transitions`);
        }
      } finally {
        isOver = true;
      }
    };
    const all = Array.from({ length: workers }, (_, first) =>
      worker(first).catch((error: unknown) => {
        isOver = true;
        throw error;
      }),
    );
    const still = setInterval(() => standStill(this.#random() * MAX_STILL_MS), STILL_EVERY_MS);
    try {
      await Promise.all([following(), ...all]);
    } finally {
      clearInterval(still);
    }
    await this.#rest(ledger);
  }

  /** What a node that has just booted holds is what was seen. */
  async compare({ node, ledger }: SessionNode): Promise<void> {
    this.#node = node;
    await this.#rest(ledger);
    const held = new Map<string, JsonObject>();
    for (let after = ""; ; ) {
      const { sessions, next } = (await this.#ask("list", { limit: PAGE, after })) as unknown as {
        readonly sessions: readonly (JsonObject & { readonly sessionId: string })[];
        readonly next: string | null;
      };
      for (const session of sessions) held.set(session.sessionId, session);
      if (next === null) break;
      after = next;
    }
    // Clocks may have acted between the pages.
    await this.#rest(ledger);
    const { last, live } = this.follower.moves;
    for (const sessionId of live.values()) assert.ok(held.has(sessionId), `${sessionId} is gone`);
    for (const [sessionId, session] of held) {
      const move = last.get(sessionId);
      assert.ok(move !== undefined, `${sessionId} was never made`);
      if (move.version !== session["version"]) {
        assert.ok(move.version > (session["version"] as number) && move.to === "TERMINATED", sessionId);
        continue;
      }
      assert.deepEqual(
        [session["state"], session["epoch"], session["reason"], session["owner"]],
        [move.to, move.epoch, move.reason, move.owner],
        sessionId,
      );
    }
  }

  async #rest(ledger: SessionNode["ledger"]): Promise<void> {
    for (let quiet = performance.now(); performance.now() - quiet < REST_MS; await delay(10))
      if (await this.follower.read(ledger)) quiet = performance.now();
  }

  /** A person's request that changed nothing comes back as an error that says what it would have said to a gateway. */
  async #ask(method: string, input: Json): Promise<JsonObject> {
    this.requests++;
    const answer = await this.#node?.call("vpn.session", method, input, CALL_TIMEOUT_MS);
    if (answer?.ok === true) return answer.value as JsonObject;
    const details = answer?.details as JsonObject | undefined;
    if (details?.["outcome"] !== undefined) return details;
    throw new Error(`${method}: ${answer?.code}: ${answer?.message}`);
  }
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
