/** Lists in places without a hole, against a map; and what a gateway's turns read, however many sessions there are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Capsule, Json, JsonObject, Keys } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import fc from "fast-check";
import { nextPage, PAGE, put, removeAll, sizeOf, thingsAt, type Walk, wholeWalk } from "../src/lists.ts";
import gateway from "../src/main.ts";

class MapKeys {
  readonly map = new Map<string, Json>();

  get(key: string): Json | undefined {
    return this.map.get(key);
  }

  getAll(keys: readonly string[]): readonly (Json | undefined)[] {
    return keys.map((key) => this.map.get(key));
  }

  set(key: string, value: Json): void {
    this.map.set(key, value);
  }

  delete(key: string): void {
    this.map.delete(key);
  }
}

const open = (): Keys => new MapKeys() as unknown as Keys;

const step = fc.oneof(
  fc.record({ put: fc.nat(400), value: fc.nat() }),
  fc.record({ remove: fc.array(fc.nat(400), { maxLength: 20 }) }),
);

test("a list holds what was put and not removed, each thing in a place of its own, and no place is empty", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const keys = open();
      const model = new Map<string, number>();
      for (const one of steps) {
        if ("put" in one) {
          put(keys, "mirror", `n${one.put}`, { value: one.value });
          model.set(`n${one.put}`, one.value);
        } else {
          removeAll(
            keys,
            "mirror",
            one.remove.map((n) => `n${n}`),
          );
          for (const n of one.remove) model.delete(`n${n}`);
        }
      }
      const all = thingsAt(keys, "mirror", 0, sizeOf(keys, "mirror"));
      assert.deepEqual(
        all.map(([, { place }]) => place),
        all.map((_, index) => index),
      );
      assert.deepEqual(new Map(all.map(([name, { value }]) => [name, value as number])), model);
      const kept = [...(keys as unknown as MapKeys).map.keys()];
      assert.equal(
        kept.length,
        2 * model.size + (kept.includes("size/mirror") ? 1 : 0),
        "nothing is left behind",
      );
    }),
  );
});

test("a walk passes by nothing that was there when it began and stayed, whatever comes and goes between its pages", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5 * PAGE }), fc.array(step, { maxLength: 60 }), (size, steps) => {
      const keys = open();
      for (let n = 0; n < size; n++) put(keys, "here", `n${n}`, { at: 0 });
      const stayed = new Set(Array.from({ length: size }, (_, n) => `n${n}`));
      const seen = new Set<string>();
      const [between, pages] = [[...steps], Math.ceil(size / PAGE)];
      let walk: Walk | null = wholeWalk(keys);
      for (let turn = 0; walk !== null; turn++) {
        assert.ok(turn < Math.max(1, pages), "a walk comes to its end");
        const { page, left }: ReturnType<typeof nextPage> = nextPage(keys, walk);
        assert.ok((page.here ?? []).length <= PAGE);
        for (const [name] of page.here ?? []) seen.add(name);
        for (const one of between.splice(0, Math.ceil(steps.length / Math.max(1, pages)))) {
          if ("put" in one) put(keys, "here", `more${one.put}`, { at: 0 });
          else {
            removeAll(
              keys,
              "here",
              one.remove.map((n) => `n${n}`),
            );
            for (const n of one.remove) stayed.delete(`n${n}`);
          }
        }
        walk = left;
      }
      for (const name of stayed) assert.ok(seen.has(name), name);
    }),
    { numRuns: 50 },
  );
});

const PEERS = 40;
const peerOf = (n: number): string => `${String(n % PEERS).padStart(43, "A")}=`;
const sessionOf = (n: number): string => `ses_${String(n).padStart(20, "0")}`;
const channelOf = (n: number): string => `chn_${String(n).padStart(20, "0")}`;

/** A gateway that forgets everything between turns, and how many keys it was given for each. */
class Counted {
  readonly node: CapsuleHarness;
  given = 0;

  constructor(sessions: number) {
    const capsule: Capsule = {
      deliver: (request) => {
        this.given = Math.max(this.given, (request.keys ?? []).length);
        return gateway.deliver(request);
      },
      reset: () => gateway.reset(),
    } as Capsule;
    this.node = new CapsuleHarness(capsule, { forgetful: true });
    this.node.start({ admit: "any" });
    for (let n = 0; n < sessions; n++) {
      this.channel(n, { event: "opened", role: "responder" });
      this.moved(n, 2);
    }
  }

  channel(n: number, event: JsonObject): void {
    this.node.event("vpn.channel.v1", { channelId: channelOf(n), pathId: "udp", peer: peerOf(n), ...event });
  }

  moved(n: number, version: number, to = "ATTACHED"): void {
    const binding = to === "ATTACHED" ? { channelId: channelOf(n), pathId: "udp" } : null;
    this.node.event("vpn.session.v1", {
      ...{ sessionId: sessionOf(n), owner: peerOf(n), version, from: "BIRTH", to, trigger: "attach" },
      ...{ reason: "ATTACHED_FIRST", epoch: 1, bindings: 1, binding, released: null },
      ...{ at: this.node.at, evidence: {} },
    });
  }

  /** Answers the one question about channels that is open; `gone` of the sessions have lost theirs. */
  answerWatch(gone: (channelId: string) => boolean): readonly string[] {
    const asked = [...this.node.open].flatMap(([id, call]) =>
      call.do === "call" && call.method === "channels" ? [[id, call.input as JsonObject] as const] : [],
    );
    const all: string[] = [];
    for (const [id, { channelIds }] of asked) {
      const ids = channelIds as readonly string[];
      all.push(...ids);
      const channels = ids
        .filter((one) => !gone(one))
        .map((channelId) => ({ channelId, silent: false, active: true }));
      const answer: Answer = { ok: true, value: { channels, unknown: ids.filter(gone) } };
      this.node.answer(id, answer);
    }
    return all;
  }

  /** The most keys any turn of `act` was given. */
  reads(act: () => void): number {
    this.given = 0;
    act();
    return this.given;
  }
}

test("no turn of a gateway reads more where there are three times the sessions: start, watch, its answer, events, frames, status", () => {
  const costs = [300, 900].map((sessions) => {
    const it = new Counted(sessions);
    const lost = (id: string): boolean => id.endsWith("7");
    return {
      opened: it.reads(() => it.channel(sessions, { event: "opened", role: "responder" })),
      moved: it.reads(() => it.moved(5, 3)),
      frame: it.reads(() =>
        it.channel(6, {
          event: "frame",
          frame: { v: 1, type: "ping", nonce: "non_00000000", sessionId: sessionOf(6), size: 0, below: null },
        }),
      ),
      closed: it.reads(() => it.channel(8, { event: "closed", reason: "x" })),
      status: it.reads(() => void it.node.call("vpn.gateway.status", {})),
      watch: it.reads(() => void it.node.advance(10_000)),
      answer: it.reads(() => void it.answerWatch(lost)),
      start: it.reads(() => void it.node.start({ admit: [] }, true)),
    };
  });
  assert.deepEqual(costs[1], costs[0]);
});

test("a walk asks about every channel once within watchMs, and of those that are gone each bound session is reported lost", () => {
  const sessions = 1_000;
  const it = new Counted(sessions);
  const gone = (id: string): boolean => Number(id.slice(4)) % 10 === 0;
  it.node.advance(1);
  it.node.start({ admit: "any" }, true);
  const asked: string[] = [];
  for (let at = 0; at < 10_000; at += 250) {
    asked.push(...it.answerWatch(gone));
    it.node.advance(250);
  }
  assert.deepEqual(new Set(asked), new Set(Array.from({ length: sessions }, (_, n) => channelOf(n))));
  const lost = [...it.node.open.values()].flatMap((call) =>
    call.do === "call" && call.method === "transportLost"
      ? [(call.input as JsonObject)["channelId"] as string]
      : [],
  );
  assert.deepEqual(
    new Set(lost),
    new Set(Array.from({ length: sessions / 10 }, (_, n) => channelOf(10 * n))),
  );
});

test("who is not admitted any more is turned away wherever in the walk, and ended mirrors are let go of", () => {
  const it = new Counted(600);
  it.node.start({ admit: Array.from({ length: PEERS / 2 }, (_, n) => ({ peer: peerOf(2 * n) })) }, true);
  it.node.advance(10_000);
  const ended = [...it.node.open.values()].flatMap((call) =>
    call.do === "call" && call.method === "terminate"
      ? [(call.input as JsonObject)["sessionId"] as string]
      : [],
  );
  assert.deepEqual(
    ended.toSorted(),
    Array.from({ length: 300 }, (_, n) => sessionOf(2 * n + 1)),
  );
  for (const sessionId of ended) it.moved(Number(sessionId.slice(4)), 3, "TERMINATED");
  it.node.advance(80_000);
  const mirrors = [...it.node.keys.values.keys()].filter((key) => key.startsWith("mirror/"));
  assert.equal(mirrors.length, 300);
});
