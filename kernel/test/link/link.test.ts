import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LinkReceiver } from "../../src/link/link-receiver.ts";
import { type LinkBatch, LinkSender } from "../../src/link/link-sender.ts";

const entry = (n: number): { readonly id: string; readonly text: string } => ({ id: `e${n}`, text: `${n}` });

test("a batch waits for the first answer; then the window is used, and what is confirmed is forgotten", () => {
  const sender = new LinkSender("run");
  for (let n = 0; n < 600; n++) sender.add(entry(n));
  const first = sender.batch(0) as LinkBatch;
  assert.deepEqual([first.link, first.first, first.count, first.texts.length], ["run.1", 0, 256, 256]);
  assert.equal(sender.batch(0), undefined);
  assert.equal(sender.lookAt, 100);
  sender.took("run.1", 256, false, 10);
  assert.deepEqual(
    [sender.batch(10)?.first, sender.batch(10)?.first, sender.batch(10)],
    [256, 512, undefined],
  );
  for (let n = 0; n < 600; n++) assert.equal(sender.confirm(`e${n}`, 20), true);
  assert.deepEqual([sender.waiting, sender.lookAt, sender.confirm("e0", 20)], [0, undefined, false]);
});

test("while nothing comes back, one batch is sent again with a growing delay, bounded (LK3)", () => {
  const sender = new LinkSender("run");
  for (let n = 0; n < 1_000; n++) sender.add(entry(n));
  const sent: number[] = [];
  let now = 0;
  sender.batch(now);
  while (now < 20_000) {
    now = sender.lookAt as number;
    assert.equal(sender.look(now), undefined);
    for (let batch = sender.batch(now); batch !== undefined; batch = sender.batch(now)) {
      assert.deepEqual([batch.first, batch.count], [0, 256]);
      sent.push(now);
    }
  }
  const delays = sent.map((at, index) => at - (sent[index - 1] ?? 0));
  assert.deepEqual(delays.slice(0, 7), [100, 100, 200, 400, 800, 1_600, 2_000]);
  assert.equal(sender.silence, sent.length);
});

test("what was taken and not confirmed is asked about, in turn, without sending the rest again", () => {
  const sender = new LinkSender("run");
  for (let n = 0; n < 100; n++) sender.add(entry(n));
  sender.batch(0);
  sender.took("run.1", 100, false, 5);
  for (let n = 10; n < 20; n++) sender.confirm(`e${n}`, 6);
  const asked = [sender.look(106), sender.look(500), sender.look(5_000)];
  assert.deepEqual(
    asked.map((batch) => [batch?.first, batch?.count, batch?.texts.length]),
    [
      [0, 64, 54],
      [64, 36, 36],
      [0, 64, 54],
    ],
  );
  assert.equal(sender.batch(5_000), undefined);
});

test("a receiver takes a link from its beginning only, and nothing behind a gap (LK1, LK2)", () => {
  const receiver = new LinkReceiver();
  assert.deepEqual(receiver.receive("a.1", 3, 2), { kind: "unknown" });
  assert.deepEqual(receiver.receive("a.1", 0, 3), { kind: "taken", next: 3 });
  assert.deepEqual(receiver.receive("a.1", 4, 1), { kind: "gap", next: 3 });
  assert.deepEqual(receiver.receive("a.1", 1, 4), { kind: "taken", next: 5 });
  assert.deepEqual(receiver.receive("a.1", 0, 3), { kind: "taken", next: 5 });
  assert.deepEqual(receiver.receive("a.2", 0, 1), { kind: "taken", next: 1 });
  assert.deepEqual(receiver.receive("a.1", 5, 1), { kind: "unknown" });
});

test("a receiver that was restarted and hears an old beginning again is given everything anew", () => {
  const sender = new LinkSender("run");
  for (let n = 0; n < 300; n++) sender.add(entry(n));
  const beginning = sender.batch(0) as LinkBatch;
  sender.took("run.1", 256, false, 1);
  const rest = sender.batch(1) as LinkBatch;
  sender.took("run.1", 300, false, 2);
  // The restarted one meets a copy of the beginning that was long on its way, then what comes next.
  const restarted = new LinkReceiver();
  restarted.receive(beginning.link, beginning.first, 100);
  const heard = restarted.receive(rest.link, rest.first, rest.count);
  assert.deepEqual(heard, { kind: "gap", next: 100 });
  sender.took("run.1", 100, true, 3);
  assert.deepEqual([sender.link, sender.batch(3)?.first], ["run.2", 0]);
});

/**
 * A receiver with a ledger: it holds what it takes in memory, drops what it has seen by number, and makes durable and
 * confirms later. A restart loses what was only in memory.
 */
class Model {
  #receiver = new LinkReceiver();
  #seen = -1;
  #held: number[] = [];
  readonly durable: number[] = [];

  hear({ link, first, count, texts }: LinkBatch): ReturnType<LinkReceiver["receive"]> & { again: number[] } {
    const reception = this.#receiver.receive(link, first, count);
    const again: number[] = [];
    if (reception.kind === "taken") {
      for (const n of texts.map(Number)) {
        if (n > this.#seen) {
          this.#held.push(n);
          this.#seen = n;
        } else if (n <= (this.durable.at(-1) ?? -1)) again.push(n);
      }
    }
    return { ...reception, again };
  }

  commit(count: number): number[] {
    const made = this.#held.splice(0, count);
    this.durable.push(...made);
    return made;
  }

  restart(): void {
    this.#receiver = new LinkReceiver();
    this.#held = [];
    this.#seen = this.durable.at(-1) ?? -1;
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("add" as const), n: fc.integer({ min: 1, max: 400 }) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("deliver" as const), n: fc.nat({ max: 1_000 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("lose" as const), n: fc.nat({ max: 1_000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("repeat" as const), n: fc.nat({ max: 1_000 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("commit" as const), n: fc.nat({ max: 300 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("wait" as const), n: fc.integer({ min: 1, max: 3_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), n: fc.constant(0) }) },
);

test("whatever is lost, repeated, overtaken or restarted, everything is taken once, in order, and ends (LK1-LK3)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const sender = new LinkSender("run");
      const model = new Model();
      /** On their way, in any order. */
      let wire: (() => void)[] = [];
      let now = 0;
      let added = 0;
      const confirm = (numbers: readonly number[]): void => {
        if (numbers.length > 0)
          wire.push(() => {
            for (const n of numbers) sender.confirm(`e${n}`, now);
          });
      };
      const send = (batch: LinkBatch): void => {
        wire.push(() => {
          const heard = model.hear(batch);
          confirm(heard.again);
          wire.push(() => {
            if (heard.kind === "unknown") sender.forgotten(batch.link);
            else sender.took(batch.link, heard.next, heard.kind === "gap", now);
          });
        });
      };
      const pump = (): void => {
        const again = sender.look(now);
        if (again !== undefined) send(again);
        for (let batch = sender.batch(now); batch !== undefined; batch = sender.batch(now)) send(batch);
      };
      for (const { do: what, n } of steps) {
        if (what === "add") for (let count = 0; count < n; count++) sender.add(entry(added++));
        else if (what === "deliver" && wire.length > 0) wire.splice(n % wire.length, 1)[0]?.();
        else if (what === "lose" && wire.length > 0) wire.splice(n % wire.length, 1);
        else if (what === "repeat" && wire.length > 0) wire.push(wire[n % wire.length] as () => void);
        else if (what === "commit") confirm(model.commit(n));
        else if (what === "wait") now += n;
        else if (what === "restart") model.restart();
        pump();
      }
      // A network that works for a while: everything ends.
      for (let round = 0; round < 400 && (sender.waiting > 0 || wire.length > 0); round++) {
        const arriving = wire;
        wire = [];
        for (const arrive of arriving) arrive();
        confirm(model.commit(1_000));
        now += 500;
        pump();
      }
      assert.equal(sender.waiting, 0);
      assert.deepEqual(
        model.durable,
        Array.from({ length: added }, (_, n) => n),
      );
    }),
    { numRuns: Number(process.env["RUNS"] ?? 300) },
  );
});
