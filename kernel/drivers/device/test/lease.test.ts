/** A driver acts for as long as its kernel is heard, and a bounded time longer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TcpConnection, TcpPower, UdpPower } from "@vnes/sdk/driver";
import fc from "fast-check";
import { BEAT_MS, createDeviceLease, LEASE_MS } from "../src/lease.ts";
import { LEASE_LOST, leasedTcp, leasedUdp } from "../src/powers/leased.ts";

/** Timers are due when time is moved, and fire only when the process is awake. */
function createTime() {
  let now = 0;
  let timers: { at: number; wake: () => void }[] = [];
  return {
    now: () => now,
    setTimer(afterMs: number, wake: () => void) {
      const timer = { at: now + afterMs, wake };
      timers.push(timer);
      return () => void (timers = timers.filter((one) => one !== timer));
    },
    /** Time passes and nothing of this process runs. */
    freeze(ms: number) {
      now += ms;
    },
    advance(ms: number) {
      const until = now + ms;
      for (;;) {
        const due = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((one) => one !== due);
        now = Math.max(now, due.at);
        due.wake();
      }
      now = until;
    },
  };
}

test("whatever is heard and when: the lease is held for its time and no longer, is lost once and found once (O1, O2)", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant("heard") }),
      fc.record({ do: fc.constantFrom("advance", "freeze"), ms: fc.integer({ min: 0, max: 2 * LEASE_MS }) }),
      fc.record({ do: fc.constant("ask") }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (given) => {
      const time = createTime();
      const said: string[] = [];
      const lease = createDeviceLease({
        clock: time,
        leaseMs: LEASE_MS,
        onLost: (ms) => void said.push(`lost ${ms >= LEASE_MS}`),
        onHeld: (ms) => void said.push(`held ${ms >= LEASE_MS}`),
      });
      let heardAt = 0;
      const expected: string[] = [];
      for (const step of given as readonly { readonly do: string; readonly ms?: number }[]) {
        const isOver = time.now() - heardAt >= LEASE_MS;
        if (step.do === "freeze") time.freeze(step.ms ?? 0);
        else if (step.do === "advance") time.advance(step.ms ?? 0);
        else if (step.do === "heard") {
          lease.heard();
          if (isOver && expected.at(-1) !== "lost true") expected.push("lost true");
          if (isOver) expected.push("held true");
          heardAt = time.now();
          assert.ok(lease.isHeld());
        } else {
          assert.equal(lease.isHeld(), !isOver);
          if (isOver && expected.at(-1) !== "lost true") expected.push("lost true");
        }
        const isOverNow = time.now() - heardAt >= LEASE_MS;
        if (step.do === "advance" && isOverNow && expected.at(-1) !== "lost true") expected.push("lost true");
        assert.deepEqual(said, expected);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(4 * BEAT_MS < LEASE_MS, "beats may be late");
});

test("what is said at the loss still leaves; after it sockets are dumb and deaf, say so, and hear again (O1)", async () => {
  const time = createTime();
  const sent: string[] = [];
  const lease = createDeviceLease({
    clock: time,
    leaseMs: LEASE_MS,
    onLost: () => {
      udp.send(bytes("farewell"), HERE);
      connection.write(bytes("farewell"));
    },
    onHeld: () => {},
  });
  let arrive: (text: string) => void = () => {};
  const udpPower: UdpPower = {
    addresses: () => [],
    async open({ onDatagram }) {
      arrive = (text) => onDatagram(bytes(text), HERE);
      return { local: HERE, send: (given) => void sent.push(`udp ${textOf(given)}`), close: () => {} };
    },
  };
  let accept: (connection: TcpConnection) => void = () => {};
  const raw = (name: string): TcpConnection & { arrive: (text: string) => void } => {
    const made = {
      ...{ local: HERE, remote: HERE, buffered: () => 0, close: () => {} },
      arrive: (_text: string) => {},
      write: (given: Uint8Array) => void sent.push(`${name} ${textOf(given)}`),
      receive(onBytes: (given: Uint8Array) => void) {
        made.arrive = (text) => onBytes(bytes(text));
      },
      abort: () => void sent.push(`${name} ended`),
    };
    return made;
  };
  const dialled = raw("tcp");
  const tcpPower: TcpPower = {
    async listen({ onConnection }) {
      accept = onConnection;
      return { local: HERE, close: () => {} };
    },
    connect: async () => dialled,
  };
  const errors: string[] = [];
  const heard: string[] = [];
  const udp = await leasedUdp(udpPower, lease).open({
    ...HERE,
    onDatagram: (given) => void heard.push(textOf(given)),
    onError: (code) => void errors.push(code),
  });
  const tcp = leasedTcp(tcpPower, lease);
  await tcp.listen({
    ...HERE,
    onConnection: () => void heard.push("a connection"),
    onError: (code) => void errors.push(code),
  });
  const connection = await tcp.connect({ ...HERE, timeoutMs: 1 });
  connection.receive(
    (given) => void heard.push(textOf(given)),
    () => {},
  );
  udp.send(bytes("one"), HERE);
  arrive("two");
  dialled.arrive("three");
  assert.deepEqual([sent.splice(0), heard.splice(0), errors], [["udp one"], ["two", "three"], []]);

  time.advance(LEASE_MS);
  assert.deepEqual(sent.splice(0), ["udp farewell", "tcp farewell"]);
  udp.send(bytes("four"), HERE);
  arrive("five");
  connection.write(bytes("six"));
  dialled.arrive("seven");
  accept(raw("stranger"));
  await assert.rejects(tcp.connect({ ...HERE, timeoutMs: 1 }), { code: LEASE_LOST });
  assert.deepEqual(sent.splice(0), ["tcp ended", "tcp ended", "stranger ended"]);
  assert.deepEqual([heard, errors], [[], [LEASE_LOST, LEASE_LOST, LEASE_LOST]]);

  lease.heard();
  udp.send(bytes("eight"), HERE);
  arrive("nine");
  accept(raw("friend"));
  assert.deepEqual([sent, heard], [["udp eight"], ["nine", "a connection"]]);
});

const HERE = { address: "127.0.0.1", port: 1 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (given: Uint8Array): string => new TextDecoder().decode(given);
