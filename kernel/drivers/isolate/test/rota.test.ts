/** In which order capsules of one host have their steps (R1, R2). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Rota } from "../src/rota.ts";

/** Passes from `start`, in which each step takes what `ms` says; who enters meanwhile is named by when. */
class Host {
  readonly rota = new Rota<string>();
  readonly #ms: { [member: string]: number };
  now = 0;

  constructor(ms: { [member: string]: number }) {
    this.#ms = ms;
  }

  /** Who had a step. `more`: who has work left after it. */
  pass(more: (member: string) => boolean): string[] {
    const had: string[] = [];
    this.rota.startPass(this.now);
    for (let one = this.rota.next(this.now); one !== undefined; one = this.rota.next(this.now)) {
      const from = this.now;
      this.now += this.#ms[one] ?? 0;
      had.push(one);
      this.rota.stepped(one, from, this.now, more(one));
    }
    return had;
  }
}

test("who asks while a long step runs comes before the next step of the same member (R1)", () => {
  const host = new Host({ long: 250, short: 0.1 });
  host.rota.enter("long");
  assert.deepEqual(
    host.pass(() => true),
    ["long"],
  );
  host.rota.enter("short");
  assert.deepEqual(
    host.pass((one) => one === "long"),
    ["short"],
  );
  assert.equal(host.rota.isEmpty, false);
});

test("a step that may be long waits until what was answered before it has left, for ten seconds after one that was (R2)", () => {
  const host = new Host({ long: 250, short: 0.1 });
  const both = (): string[] => {
    host.rota.enter("short");
    host.rota.enter("long");
    return host.pass(() => false);
  };
  assert.deepEqual(both(), ["short", "long"]);
  assert.deepEqual(both(), ["short"]);
  assert.deepEqual(
    host.pass(() => false),
    ["long"],
  );
  assert.equal(host.rota.isEmpty, true);
  host.now += 10_000;
  assert.deepEqual(both(), ["short", "long"]);
  host.rota.forget("long");
  assert.deepEqual(both(), ["short", "long"]);
});

test("small steps go together for two milliseconds, and each member has one of them before another has its next", () => {
  const host = new Host({ a: 0.5, b: 0.5 });
  host.rota.enter("a");
  host.rota.enter("b");
  assert.deepEqual(
    host.pass(() => true),
    ["a", "b", "a", "b"],
  );
  assert.deepEqual(
    host.pass(() => true),
    ["a", "b", "a", "b"],
  );
});
