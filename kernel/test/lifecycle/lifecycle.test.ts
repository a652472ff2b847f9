import assert from "node:assert/strict";
import { test } from "node:test";
import { CAPSULE_STATES, type CapsuleState, type LifecycleEvent, step, TRANSITIONS } from "@vnes/kernel";
import fc from "fast-check";
import { checkTranscript } from "../harness/transcript.ts";

const TYPES = ["admitted", "refused", "opened", "started", "suspended", "resumed", "stopped"] as const;
const event = (type: string): LifecycleEvent => ({ type, reason: "WHY" }) as LifecycleEvent;

test("the transcript tells the life of a capsule", async () => {
  await checkTranscript(new URL("testdata/lifecycle.txt", import.meta.url), (command) => {
    const [verb, ...words] = command.split(" ");
    if (verb === "table") {
      return TRANSITIONS.map(({ from, on, to, reason }) => `${from} -> ${to} on ${on} (${reason})`).join(
        "\n",
      );
    }
    let state: CapsuleState = "discovered";
    return words
      .map((word) => {
        const next = step(state, { type: word } as LifecycleEvent);
        if (next.kind === "refused") return `${word}: refused, ${next.error.code}: ${next.error.message}`;
        state = next.state;
        return `${word}: ${next.state} (${next.reason})`;
      })
      .join("\n");
  });
});

const life = fc.array(fc.constantFrom(...TYPES), { maxLength: 12 });

test("nothing leaves quarantined or unloaded (L2)", () => {
  fc.assert(
    fc.property(life, (types) => {
      let state: CapsuleState = "discovered";
      for (const type of types) {
        const next = step(state, event(type));
        if (state === "quarantined" || state === "unloaded") assert.equal(next.kind, "refused");
        if (next.kind === "moved") state = next.state;
      }
    }),
  );
});

test("a capsule is active only after it was admitted, opened and started, in that order", () => {
  fc.assert(
    fc.property(life, (types) => {
      let state: CapsuleState = "discovered";
      const moved: string[] = [];
      for (const type of types) {
        const next = step(state, event(type));
        if (next.kind !== "moved") continue;
        state = next.state;
        moved.push(type);
        if (state === "active") assert.deepEqual(moved.slice(0, 3), ["admitted", "opened", "started"]);
      }
    }),
  );
});

test("the diagram of the specification, three exits more, and nothing else (L1)", () => {
  const edges = TRANSITIONS.map(({ from, to }) => `${from}>${to}`).sort();
  assert.deepEqual(
    edges,
    [
      "discovered>verified",
      "discovered>quarantined",
      "verified>loaded",
      "loaded>active",
      "active>suspended",
      "suspended>active",
      "active>unloaded",
      "verified>unloaded",
      "loaded>unloaded",
      "suspended>unloaded",
    ].sort(),
  );
  for (const state of CAPSULE_STATES) {
    for (const type of TYPES) {
      const allowed = TRANSITIONS.some((row) => row.from === state && row.on === type);
      assert.equal(step(state, event(type)).kind, allowed ? "moved" : "refused");
    }
  }
});
