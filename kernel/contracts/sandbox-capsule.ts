/**
 * The capsule the sandbox contract runs. It does everything a capsule may do, and keeps a module variable as authors do:
 * as a cache that must not show.
 */
import { type Handlers, type Json, later, refuse } from "@vnes/sdk";

const seen = new Map<string, number>();

export const contractHandlers: Handlers = {
  start: (turn, config, resumed) => turn.keys.set("started", { config, resumed, at: turn.at }),
  events: {
    "contract.v1": (turn, event, { seq, key }) => {
      const total = ((turn.keys.get("total") as number | undefined) ?? 0) + (event as number);
      turn.keys.set("total", total);
      turn.keys.set(`event/${key}`, { seq, event });
      turn.publish("contract.total.v1", key, { total, id: turn.id("evt"), draw: turn.random() });
    },
  },
  batches: {
    "contract.v1": (turn, events, { topic, partition }) => {
      const sum = events.reduce((total, { event }) => total + (event as number), 0);
      turn.keys.set("batch", { topic, partition, seqs: events.map(({ seq }) => seq), sum });
    },
  },
  calls: {
    "contract.add": (turn, key) => {
      const n = ((turn.keys.get(`n/${key as string}`) as number | undefined) ?? 0) + 1;
      seen.set(key as string, n);
      turn.keys.set(`n/${key as string}`, n);
      return n;
    },
    "contract.drop": (turn, key) => {
      turn.keys.delete(`n/${key as string}`);
      return null;
    },
    "contract.list": (turn) => turn.keys.entries("n/") as unknown as Json,
    "contract.swap": (turn, input) => {
      const { key, value } = input as { readonly key: string; readonly value: Json };
      const version = turn.keys.version(`n/${key}`);
      turn.keys.set(`n/${key}`, value, { expect: version, ttlMs: 60_000 });
      return version;
    },
    "contract.echo": (turn, input) => ({ at: turn.at, input }),
    "contract.refuse": (turn) => {
      turn.keys.set("refused", true);
      return refuse("CONTRACT_NO", "not here", { why: "asked to" });
    },
    "contract.fail": (turn, key) => {
      turn.keys.set(`n/${key as string}`, 1_000_000);
      turn.publish("contract.total.v1", "", null);
      throw new TypeError("asked to");
    },
    "contract.promise": (async () => 1) as never,
    "contract.invalid": (turn) => {
      turn.keys.set("x", Number.NaN);
      return null;
    },
    "contract.write": (turn, size) => {
      turn.keys.set("large", "x".repeat(size as number));
      return null;
    },
    "contract.size": (turn) => ((turn.keys.get("large") as string | undefined) ?? "").length,
    "contract.loop": () => {
      for (;;);
    },
    "contract.hoard": () => {
      const kept: string[] = [];
      for (;;) kept.push("x".repeat(1_000) + kept.length);
    },
    "contract.chat": (turn, input) => {
      const { lines, text } = input as { readonly lines: number; readonly text: string };
      for (let n = 0; n < lines; n++) turn.log("info", text);
      return null;
    },
    "contract.swallow": (turn) => {
      try {
        turn.keys.get("swallow");
      } catch {
        turn.keys.set("swallow", "caught");
      }
      return null;
    },
    "contract.ask": (turn, _input, { callId }) => {
      turn.call({ capability: "other", method: "do", input: null, tag: "asked", context: { callId } });
      turn.read({ capsule: "test.other", prefix: "p/", after: "p/1", limit: 5, tag: "asked" });
      turn.setTimer("slow:1", turn.at + 100, { callId });
      turn.log("info", "asked");
      return later;
    },
  },
  answers: {
    asked: (turn, answer, context) => {
      turn.cancelTimer("slow:1");
      turn.answer((context as { readonly callId: string }).callId, answer);
    },
  },
  timers: { slow: (turn, payload, id, dueAt) => turn.keys.set("slow", { payload, id, dueAt }) },
};
