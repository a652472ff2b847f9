/** What the kernel reports is counted without gaps and kept within a bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import observability from "../src/main.ts";
import { MAX_NAMES, MAX_RECENT } from "../src/store.ts";

function open(): {
  say: (topic: string, event: Json) => void;
  ask: (method: string, input: Json) => JsonObject;
} {
  observability.reset();
  const keys = new Map<string, Json>();
  let turn = 0;
  const run = (delivery: Parameters<typeof observability.deliver>[0]["delivery"]): Json => {
    const request = { turn: ++turn, at: turn, seed: "0123456789abcdef", delivery };
    let result = observability.deliver(request);
    while (result.kind === "needKeys") {
      const found: [string, Json?][] = result.keys.map((key) => {
        const value = keys.get(key);
        return value === undefined ? [key] : [key, value];
      });
      for (const prefix of result.ranges) {
        for (const [key, value] of keys) if (key.startsWith(prefix)) found.push([key, value]);
      }
      result = observability.deliver({ ...request, keys: found, ranges: result.ranges });
    }
    assert.equal(result.kind, "done", JSON.stringify(result));
    if (result.kind !== "done") return null;
    for (const effect of result.effects) if (effect.do === "write") keys.set(effect.key, effect.value);
    const answer = result.effects.find((effect) => effect.do === "answer");
    return answer?.answer.ok ? answer.answer.value : null;
  };
  return {
    say: (topic, event) => void run({ kind: "event", topic, partition: 0, seq: turn + 1, key: "", event }),
    ask: (method, input) =>
      run({
        kind: "call",
        callId: "c",
        capability: "observability",
        method,
        input,
        caller: "control",
        deadlineAt: 1e9,
      }) as JsonObject,
  };
}

test("every event is counted, the most recent are kept, newest first", () => {
  const { say, ask } = open();
  const total = MAX_RECENT + 44;
  for (let n = 1; n <= total; n++) {
    if (n % 2 === 0)
      say("vnes.diagnostics.v1", { kind: "admission", code: "RECEIPT_MISSING", message: `${n}`, at: n });
    else
      say("vnes.lifecycle.v1", {
        capsule: "a",
        version: "1.0.0",
        from: "loaded",
        to: "active",
        reason: "R",
        at: n,
      });
  }
  const half = total / 2;
  assert.deepEqual(ask("summary", {}), {
    seen: total,
    kept: MAX_RECENT,
    codes: { RECEIPT_MISSING: half },
    transitions: { active: half },
  });
  const { events } = ask("recent", { limit: 3 }) as { events: { n: number }[] };
  assert.deepEqual(
    events.map((event) => event.n),
    [total, total - 1, total - 2],
  );
  const all = ask("recent", { limit: 256, kind: "admission" }) as { events: { n: number; kind: string }[] };
  assert.ok(all.events.every((event) => event.kind === "admission") && all.events.length === MAX_RECENT / 2);
});

test("made-up codes are counted under one name once there are too many", () => {
  const { say, ask } = open();
  for (let n = 0; n < MAX_NAMES + 20; n++) {
    say("vnes.diagnostics.v1", { kind: "k", code: `CODE_${n}`, message: "", at: n });
  }
  const { codes } = ask("summary", {}) as { codes: JsonObject };
  assert.equal(codes["other"], 20);
  assert.equal(
    Object.values(codes).reduce<number>((sum, one) => sum + Number(one), 0),
    MAX_NAMES + 20,
  );
});
