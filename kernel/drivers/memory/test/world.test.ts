import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryClock, MemoryDevice, SeededRandom } from "@vnes/driver-memory";
import type { DeviceSpec } from "@vnes/kernel";
import fc from "fast-check";

test("the clock stands still, fires in (due, asked) order at the due times, and never goes back", () => {
  const clock = new MemoryClock(1_000);
  const fired: [string, number][] = [];
  const note = (name: string) => () => void fired.push([name, clock.now()]);
  clock.wakeAt(1_020, note("b"));
  clock.wakeAt(1_010, note("a"));
  clock.wakeAt(1_020, note("c"));
  const cancel = clock.wakeAt(1_015, note("cancelled"));
  clock.wakeAt(900, note("overdue"));
  cancel();
  assert.deepEqual(fired, []);
  assert.equal(clock.nextWakeAt, 900);
  clock.advance(0);
  assert.deepEqual(fired, [["overdue", 1_000]]);
  clock.advance(50);
  assert.deepEqual(fired.slice(1), [
    ["a", 1_010],
    ["b", 1_020],
    ["c", 1_020],
  ]);
  assert.equal(clock.now(), 1_050);
  assert.equal(clock.nextWakeAt, undefined);
});

test("a wake asked for by a wake fires within the same advance when it is due", () => {
  const clock = new MemoryClock(0);
  let rings = 0;
  const ring = (): void => {
    rings++;
    clock.wakeAt(clock.now() + 10, ring);
  };
  clock.wakeAt(10, ring);
  clock.advance(100);
  assert.equal(rings, 10);
});

test("seeded randomness repeats, differs between seeds, and has the form of a seed", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (seed) => {
      const [one, same, other] = [new SeededRandom(seed), new SeededRandom(seed), new SeededRandom(seed + 1)];
      const first = one.seed();
      assert.match(first, /^[0-9a-f]{16}$/);
      assert.equal(first, same.seed());
      assert.notEqual(first, other.seed());
      const below = one.below(7);
      assert.ok(below >= 0 && below < 7);
      assert.equal(below, same.below(7));
    }),
  );
});

test("a device that is killed ends its calls with DEVICE_DIED and tells its owner once", async () => {
  const deaths: string[] = [];
  await using device = new MemoryDevice({
    "test.radio": () => ({ call: () => new Promise(() => undefined) }),
  });
  const spec: DeviceSpec = {
    instance: "test.radio",
    image: { hash: "sha256:00", files: [] },
    entry: "impl/main.js",
    powers: [],
    config: null,
    onPublish: () => undefined,
    onLog: () => undefined,
    onDeath: (reason) => void deaths.push(reason),
  };
  const instance = await device.open(spec);
  const call = instance.call({ callId: "1", capability: "radio", method: "send", input: null });
  device.kill("test.radio", "killed");
  device.kill("test.radio", "again");
  assert.deepEqual(await call, { ok: false, code: "DEVICE_DIED", message: "the driver's process died" });
  assert.deepEqual(deaths, ["killed"]);
  await instance.dispose();
  assert.deepEqual(deaths, ["killed"]);
  await assert.rejects(device.open({ ...spec, instance: "test.none" }), { code: "MEMORY_DRIVER_MISSING" });
});
