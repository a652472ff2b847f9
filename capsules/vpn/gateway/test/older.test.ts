/** A gateway that starts over what an image without places kept, or left behind when it was gone back to for a while. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import { CapsuleHarness } from "@vnes/sdk/testing";
import { parseResults } from "../../../../kernel/drivers/sandbox/src/parse-results.ts";
import { atOnce } from "../../../../kernel/drivers/sandbox/src/steps.ts";
import { LISTS } from "../src/lists.ts";
import gateway from "../src/main.ts";

const EFFECT_BYTES = 786_432;
const WALK_MS = 20_000;
const peerOf = (n: number): string => `${String(n).padStart(43, "A")}=`;
const sessionOf = (n: number): string => `ses_${String(n).padStart(20, "0")}`;
const channelOf = (n: number): string => `chn_${String(n).padStart(20, "0")}`;
const mirrorOf = (n: number, state = "ATTACHED"): JsonObject => ({
  ...{ sessionId: sessionOf(n), peer: peerOf(n), state, version: 2, epoch: 1 },
  ...{ channelId: channelOf(n), pathId: "udp", at: 5 },
});

class Kept {
  readonly node: CapsuleHarness = new CapsuleHarness(gateway, { forgetful: true });

  write(key: string, value: Json): void {
    this.node.keys.apply([{ do: "write", key, value }]);
  }

  delete(key: string): void {
    this.node.keys.apply([{ do: "delete", key }]);
  }

  /** As the image without places keeps a session with its channel and its client's bucket. */
  older(n: number): void {
    this.write(`mirror/${sessionOf(n)}`, mirrorOf(n));
    this.write(`bound/${channelOf(n)}`, sessionOf(n));
    this.write(`here/${channelOf(n)}`, 5);
    this.write(`rate/${peerOf(n)}`, { tokens: 0, at: this.node.at + WALK_MS, told: false });
    this.write("watch", true);
  }

  start(admit: Json = "any"): void {
    this.judge([this.node.start({ admit }, true)]);
  }

  walk(): void {
    this.judge(this.node.advance(WALK_MS));
  }

  /** Every turn is one that a kernel takes. */
  judge(results: ReturnType<CapsuleHarness["advance"]>): void {
    for (const result of results) {
      assert.equal(result.kind, "done", JSON.stringify(result).slice(0, 300));
      const text = Buffer.from(JSON.stringify([result]));
      assert.equal(
        atOnce(parseResults(text, [{ turn: result.turn }], EFFECT_BYTES), () => undefined).invalid,
        undefined,
      );
    }
  }

  /** Every thing lies in the place it knows, no place is empty, and none is left over. */
  holds(): void {
    const { values } = this.node.keys;
    for (const list of LISTS) {
      const things = [...values].filter(([key]) => key.startsWith(`${list}/`));
      for (const [key, thing] of things) {
        const place = `place/${list}/${(thing as JsonObject)["place"] as number}`;
        assert.equal(values.get(place), key.slice(list.length + 1));
      }
      const places = [...values.keys()].filter((key) => key.startsWith(`place/${list}/`));
      assert.equal(places.length, things.length);
      assert.equal(values.get(`size/${list}`), things.length);
    }
  }

  asked(method: string, name: string): readonly Json[] {
    return [...this.node.open.values()].flatMap((call) =>
      call.do === "call" && call.method === method ? [(call.input as JsonObject)[name] ?? null] : [],
    );
  }
}

const all = (many: number, name: (n: number) => string): ReadonlySet<string> =>
  new Set(Array.from({ length: many }, (_, n) => name(n)));

test("4,096 sessions from before there were places get theirs in turns a kernel takes; each is looked at", () => {
  const many = 4_096;
  const it = new Kept();
  for (let n = 0; n < many; n++) it.older(n);
  it.start([]);
  // What comes and goes while the places are made.
  it.judge(it.node.advance(1_000));
  const closed = { channelId: channelOf(many - 1), pathId: "udp", peer: peerOf(many - 1), event: "closed" };
  it.judge([it.node.event("vpn.channel.v1", { ...closed, reason: "x" })]);
  it.start([]);
  const asked = new Set<Json>();
  const ended = new Set<Json>();
  for (let at = 0; at < WALK_MS; at += 1_000) {
    for (const ids of it.asked("channels", "channelIds")) for (const id of ids as Json[]) asked.add(id);
    for (const id of it.asked("terminate", "sessionId")) ended.add(id);
    it.node.open.clear();
    it.judge(it.node.advance(1_000));
  }
  assert.deepEqual(asked, all(many, channelOf));
  assert.deepEqual(ended, all(many, sessionOf));
  it.holds();
});

test("a gateway starts after the image without places was gone back to, and leaves no place of things that image let go of", () => {
  const it = new Kept();
  it.node.start({ admit: "any" });
  for (let n = 0; n < 300; n++) {
    const channel = { channelId: channelOf(n), pathId: "udp", peer: peerOf(n) };
    it.node.event("vpn.channel.v1", { ...channel, event: "opened", role: "responder" });
    it.node.event("vpn.session.v1", {
      ...{
        sessionId: sessionOf(n),
        owner: peerOf(n),
        version: 2,
        from: "BIRTH",
        to: "ATTACHED",
        trigger: "attach",
      },
      ...{
        reason: "ATTACHED_FIRST",
        epoch: 1,
        bindings: 1,
        binding: channel,
        released: null,
        at: 0,
        evidence: {},
      },
    });
  }
  it.write("watch", false);
  for (let n = 0; n < 299; n += 2)
    for (const key of [`mirror/${sessionOf(n)}`, `here/${channelOf(n)}`]) it.delete(key);
  it.older(400);
  it.older(7);
  it.start();
  it.walk();
  it.holds();
  assert.ok(it.node.keys.values.has(`mirror/${sessionOf(400)}`));
});

test("the first walk after a start does not wait between its pages for watchMs to pass", () => {
  const it = new Kept();
  for (let n = 0; n < 1_000; n++) it.older(n);
  it.start();
  it.walk();
  it.node.open.clear();
  it.start();
  it.judge(it.node.advance(1_000));
  const asked = it.asked("channels", "channelIds").flatMap((ids) => ids as Json[]);
  assert.deepEqual(new Set(asked), all(1_000, channelOf));
});

test("the answer to what an image before asked the transport is read, and so is a refusal to end a session", () => {
  const it = new Kept();
  it.older(1);
  it.start([]);
  const deliver = (tag: string, context: Json, value: Json): void =>
    it.judge([it.node.deliver({ kind: "answer", callId: "c", tag, context, answer: { ok: true, value } })]);
  deliver(
    "watched",
    { askedAt: it.node.at },
    { channels: [{ channelId: channelOf(1), silent: false, active: true }] },
  );
  const [call] = [...it.node.open].filter(([, one]) => one.do === "call" && one.method === "terminate");
  const value = { outcome: "rejected", reason: "SESSION_TERMINATED", version: 3, epoch: 1 };
  it.judge([it.node.answer(call?.[0] as string, { ok: true, value })]);
});
