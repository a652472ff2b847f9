import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deviceBytes as bytes } from "../../../../kernel/drivers/device/src/powers/bytes.ts";
import { channelCrypto as crypto } from "../../../../kernel/drivers/device/src/powers/channel-crypto.ts";
import { createCookieJar, MINUTE_MS } from "../src/cookie.ts";
import { createInitiator, type Initiator } from "../src/initiator.ts";
import { createResponder, type Responder } from "../src/responder.ts";
import type { Sealed } from "../src/sealed.ts";
import { COOKIE_BYTES, encodeIndex, HELLO_BYTES, PAYLOAD_CONTROL, PAYLOAD_READY } from "../src/wire.ts";
import { identityOf } from "./memory-network.ts";

const HERE = { address: "10.0.0.1", port: 5000 };
const VIA = "udp wan";
const server = identityOf();
const client = identityOf();

const responderOf = (more: { readonly perRemote?: number } = {}): Responder =>
  createResponder({
    crypto,
    bytes,
    identity: server,
    now: 0,
    handshakesPerSecond: 1_000_000,
    handshakesPerRemote: more.perRemote ?? 1_000_000,
  });
const initiatorOf = (responder = server.publicKey, identity = client): Initiator => {
  const made = createInitiator({ crypto, bytes, identity, responder, index: 7 });
  assert.ok(made);
  return made;
};

/** Hello and Cookie done; returns the Initiate. */
function initiateOf(responder: Responder, initiator: Initiator, now = 0): Uint8Array {
  const cookie = responder.receive(initiator.current(), HERE, VIA, now);
  assert.equal(cookie.kind, "reply");
  const step = initiator.receive(cookie.message);
  assert.equal(step.kind, "send");
  return step.message;
}

function open(responder = responderOf(), initiator = initiatorOf(), index = 99): { a: Sealed; b: Sealed } {
  const step = responder.receive(initiateOf(responder, initiator), HERE, VIA, 0);
  assert.equal(step.kind, "accepted");
  const b = step.open(index);
  assert.ok(b);
  const ready = b.seal(PAYLOAD_READY, encodeIndex(index));
  assert.ok(ready);
  const opened = initiator.receive(ready);
  assert.equal(opened.kind, "opened");
  return { a: opened.sealed, b };
}

const control = (text: string) => bytes.fromUtf8(text);
const sealOf = (sealed: Sealed, text: string): Uint8Array => {
  const message = sealed.seal(PAYLOAD_CONTROL, control(text));
  assert.ok(message);
  return message;
};
const damage = fc.record({
  at: fc.nat(),
  bit: fc.nat(7),
  cut: fc.nat(),
  how: fc.constantFrom("flip", "cut", "grow"),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;
function damaged(message: Uint8Array, { at, bit, cut, how }: Damage): Uint8Array {
  if (how === "cut") return message.slice(0, cut % message.length);
  if (how === "grow") return Uint8Array.from([...message, bit]);
  const copy = message.slice();
  const where = at % copy.length;
  copy[where] = (copy[where] ?? 0) ^ (1 << bit);
  return copy;
}

test("a handshake gives both ends the same channel and the responder the initiator's key", () => {
  const responder = responderOf();
  const initiator = initiatorOf();
  const step = responder.receive(initiateOf(responder, initiator), HERE, VIA, 0);
  assert.equal(step.kind, "accepted");
  assert.deepEqual(step.peer, client.publicKey);
  const { a, b } = open();
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    assert.deepEqual(to.open(sealOf(from, "hi")), { kind: PAYLOAD_CONTROL, payload: control("hi") });
  }
});

test("a reply is smaller than what it answers, whatever arrives (R2)", () => {
  assert.ok(COOKIE_BYTES < HELLO_BYTES);
  const responder = responderOf();
  const hello = initiatorOf().current();
  fc.assert(
    fc.property(
      fc.oneof(
        damage.map((d) => damaged(hello, d)),
        fc.uint8Array({ maxLength: 400 }),
      ),
      (message) => {
        const step = responder.receive(message, HERE, VIA, 0);
        assert.notEqual(step.kind, "reply");
      },
    ),
    { numRuns: 500 },
  );
  const step = responder.receive(hello, HERE, VIA, 0);
  assert.ok(step.kind === "reply" && step.message.length <= hello.length);
});

test("who does not know the responder's key gets silence", () => {
  const step = responderOf().receive(initiatorOf(identityOf().publicKey).current(), HERE, VIA, 0);
  assert.deepEqual(step, { kind: "dropped", why: "gateClosed" });
});

test("a damaged Cookie does not move the initiator, the true one still does", () => {
  const responder = responderOf();
  const initiator = initiatorOf();
  const cookie = responder.receive(initiator.current(), HERE, VIA, 0);
  assert.equal(cookie.kind, "reply");
  fc.assert(
    fc.property(damage, (d) => {
      assert.equal(initiator.receive(damaged(cookie.message, d)).kind, "dropped");
    }),
  );
  assert.equal(initiator.receive(cookie.message).kind, "send");
});

test("a damaged Initiate opens nothing and does not use up the cookie", () => {
  const responder = responderOf();
  const initiate = initiateOf(responder, initiatorOf());
  fc.assert(
    fc.property(damage, (d) => {
      assert.equal(responder.receive(damaged(initiate, d), HERE, VIA, 0).kind, "dropped");
    }),
  );
  assert.equal(responder.receive(initiate, HERE, VIA, 0).kind, "accepted");
});

test("an Initiate damaged by somebody who can close the gate opens nothing either", () => {
  const responder = responderOf();
  const initiate = initiateOf(responder, initiatorOf());
  // The gate's key is public knowledge among those who know the responder's key.
  const key = crypto.sha256(bytes.fromUtf8("vnes-channel-v1"), Uint8Array.of(0x67), server.publicKey);
  fc.assert(
    fc.property(fc.nat(initiate.length - 17), fc.nat(7), (at, bit) => {
      const copy = initiate.slice();
      copy[at] = (copy[at] ?? 0) ^ (1 << bit);
      copy.set(crypto.sha256(key, copy.subarray(0, -16)).subarray(0, 16), copy.length - 16);
      const step = responder.receive(copy, HERE, VIA, 0);
      assert.equal(step.kind, "dropped");
      if (at >= 4) assert.ok(step.kind === "dropped" && step.why !== "gateClosed");
    }),
  );
});

test("a cookie is good for its address, port and listener only (C1)", () => {
  const responder = responderOf();
  const initiate = initiateOf(responder, initiatorOf());
  const others = [
    [{ ...HERE, address: "10.0.0.2" }, VIA],
    [{ ...HERE, port: 5001 }, VIA],
    [HERE, "tcp wan"],
  ] as const;
  for (const [remote, via] of others) {
    assert.deepEqual(responder.receive(initiate, remote, via, 0), { kind: "dropped", why: "cookieInvalid" });
  }
});

test("a cookie opens within its minute and never after two (C2)", () => {
  const late = [
    [MINUTE_MS - 1, "accepted"],
    [2 * MINUTE_MS, "dropped"],
    [300 * MINUTE_MS, "dropped"],
  ] as const;
  for (const [at, outcome] of late) {
    const responder = responderOf();
    const initiate = initiateOf(responder, initiatorOf());
    assert.equal(responder.receive(initiate, HERE, VIA, at).kind, outcome, `${at} ms`);
  }
});

test("a cookie makes one channel: the same Initiate repeats it, another is refused (C3)", () => {
  const responder = responderOf();
  const initiator = initiatorOf();
  const initiate = initiateOf(responder, initiator);
  const first = responder.receive(initiate, HERE, VIA, 0);
  assert.ok(first.kind === "accepted" && first.open(41));
  assert.deepEqual(responder.receive(initiate, HERE, VIA, MINUTE_MS), { kind: "repeated", index: 41 });
  const jar = createCookieJar(crypto, 0, 1);
  const where = bytes.fromUtf8("there");
  const secret = crypto.random(32);
  const ephemeral = crypto.random(32);
  const one = jar.open(jar.seal(secret, ephemeral, where, 0), ephemeral, where, 0);
  const two = jar.open(jar.seal(secret, ephemeral, where, 0), ephemeral, where, 0);
  assert.ok(one && two);
  assert.equal(one.use.mark({ initiateHash: secret, index: 1 }), true);
  assert.equal(
    two.use.mark({ initiateHash: secret, index: 2 }),
    false,
    "no room: refused, nothing forgotten",
  );
});

test("what was recorded on the way to one gateway opens nothing at another that has the same key", () => {
  const [one, other] = [responderOf(), responderOf()];
  const initiator = initiatorOf();
  const initiate = initiateOf(one, initiator);
  assert.deepEqual(other.receive(initiate, HERE, VIA, 0), { kind: "dropped", why: "cookieInvalid" });
  const accepted = one.receive(initiate, HERE, VIA, 0);
  assert.equal(accepted.kind, "accepted");
  const { a: here } = open(one);
  const { b: there } = open(other);
  assert.equal(there.open(sealOf(here, "meant for the other")), "frameForged");
});

test("nobody opens a channel in another's name: the vouch needs the secret", () => {
  const victim = identityOf();
  const thief = { publicKey: victim.publicKey, agree: (peer: Uint8Array) => client.agree(peer) };
  const responder = responderOf();
  const initiate = initiateOf(responder, initiatorOf(server.publicKey, thief));
  assert.deepEqual(responder.receive(initiate, HERE, VIA, 0), { kind: "dropped", why: "vouchInvalid" });
});

test("nobody answers in the responder's name", () => {
  const impostor = identityOf();
  const lookalike = createResponder({
    crypto,
    bytes,
    identity: { publicKey: server.publicKey, agree: (peer) => impostor.agree(peer) },
    now: 0,
    handshakesPerSecond: 100,
    handshakesPerRemote: 100,
  });
  const initiator = initiatorOf();
  const cookie = lookalike.receive(initiator.current(), HERE, VIA, 0);
  assert.equal(cookie.kind, "reply");
  assert.deepEqual(initiator.receive(cookie.message), { kind: "dropped", why: "cookieForged" });
});

test("keys of low order are refused", () => {
  const lowOrder = [new Uint8Array(32), Uint8Array.from([1, ...new Uint8Array(31)])];
  for (const key of lowOrder) {
    assert.equal(createInitiator({ crypto, bytes, identity: client, responder: key, index: 1 }), null);
    assert.equal(server.agree(key), null);
  }
});

test("handshakes of one address beyond its tokens are dropped, those of others go on", () => {
  const responder = responderOf({ perRemote: 3 });
  const hello = initiatorOf().current();
  const kinds = Array.from({ length: 5 }, () => responder.receive(hello, HERE, VIA, 0));
  assert.deepEqual(
    kinds.map((step) => (step.kind === "dropped" ? step.why : step.kind)),
    ["reply", "reply", "reply", "handshakeRateRemote", "handshakeRateRemote"],
  );
  assert.equal(responder.receive(hello, { address: "10.0.0.77", port: 1 }, VIA, 0).kind, "reply");
  assert.equal(responder.receive(hello, HERE, VIA, 1000).kind, "reply", "tokens come back");
});

test("a Ready that was seen cannot be replayed into the open channel (S3)", () => {
  const responder = responderOf();
  const initiator = initiatorOf();
  const step = responder.receive(initiateOf(responder, initiator), HERE, VIA, 0);
  assert.equal(step.kind, "accepted");
  const b = step.open(5);
  const ready = b?.seal(PAYLOAD_READY, encodeIndex(5));
  assert.ok(b && ready);
  const opened = initiator.receive(ready);
  assert.equal(opened.kind, "opened");
  assert.equal(opened.sealed.open(ready), "frameReplayed");
});
