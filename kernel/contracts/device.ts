/**
 * What every `Device` driver must do (`kernel/src/ports/device.ts`). A device whose drivers are functions of the kernel's own
 * process says so in `supports`; what concerns processes, powers and bundles is then no part of its contract.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, LogLine } from "@vnes/schemas";
import type { CapsuleImage } from "../src/admission/image.ts";
import type { Device, DeviceInstance, DeviceSpec } from "../src/ports/device.ts";

export interface DeviceContract {
  readonly name: string;
  open(): Promise<{ readonly device: Device; cleanup(): Promise<void> }>;
  /** An image whose `impl/main.js` is this bundle: a script that defines `capsule`. */
  image(bundle: string): CapsuleImage;
  /** Ends a driver as a crash would. */
  kill(device: Device, instance: DeviceInstance, name: string): Promise<void>;
  readonly supports: {
    /** Bundles are loaded and powers made by the device itself, in a process of the driver's own. */
    readonly process: boolean;
  };
}

/** One method for each thing a driver can do; `capsule.default` is what `driver({ start })` of the sdk returns. */
const PROBE = `
"use strict";
var capsule = (() => {
  const start = async (powers, config) => {
    if (config && config.refuse) throw new Error("refused: " + config.refuse);
    const methods = {
      echo: (input) => ({ ok: true, value: input }),
      config: () => ({ ok: true, value: config }),
      powers: () => ({ ok: true, value: Object.keys(powers).sort() }),
      hidden: () => ({ ok: true, value: [typeof require, typeof process, typeof module] }),
      refuse: (input) => ({ ok: false, code: "PROBE_REFUSED", message: "no", details: input }),
      throw: () => { throw new Error("thrown on purpose"); },
      garbage: () => 42,
      slow: (input) => new Promise((resolve) =>
        powers.clock.setTimer(input.ms, () => resolve({ ok: true, value: input.ms }))),
      never: () => new Promise(() => {}),
      publish: (input) => {
        for (let n = 0; n < input.count; n++) powers.publish("probe.v1", "k" + (n % 3), { n });
        return { ok: true, value: input.count };
      },
      log: (input) => { powers.log("info", "said", input); return { ok: true, value: null }; },
    };
    return {
      call: (capability, method, input) => methods[method](input),
      stop: () => { powers.log("info", "stopped"); },
    };
  };
  return { default: { start } };
})();
`;

interface Seen {
  readonly published: { readonly topic: string; readonly key: string; readonly event: Json }[];
  readonly logs: LogLine[];
  readonly deaths: string[];
}

export function deviceContract(contract: DeviceContract): void {
  const { name } = contract;
  let calls = 0;
  const ask = (instance: DeviceInstance, method: string, input: Json = null) =>
    instance.call({ callId: `call_${calls++}`, capability: "probe", method, input });

  const run = (title: string, body: (device: Device) => Promise<void>) =>
    void test(`${name}: ${title}`, async () => {
      const opened = await contract.open();
      const { device } = opened;
      try {
        await body(device);
      } finally {
        await device[Symbol.asyncDispose]();
        await opened.cleanup();
      }
    });
  const specOf = (more: Partial<DeviceSpec> & { bundle?: string } = {}): DeviceSpec & { seen: Seen } => {
    const seen: Seen = { published: [], logs: [], deaths: [] };
    const { bundle = PROBE, ...rest } = more;
    return {
      instance: "test.probe/0",
      image: contract.image(bundle),
      entry: "impl/main.js",
      powers: [],
      config: { a: 1 },
      onPublish: (topic, key, event) => void seen.published.push({ topic, key, event }),
      onLog: (line) => void seen.logs.push(line),
      onDeath: (reason) => void seen.deaths.push(reason),
      ...rest,
      seen,
    };
  };

  run("a driver starts with its configuration and answers calls", async (device) => {
    const instance = await device.open(specOf());
    assert.deepEqual(await ask(instance, "config"), { ok: true, value: { a: 1 } });
    const value = { text: "ü", list: [1, 2.5, null, { deep: true }] };
    assert.deepEqual(await ask(instance, "echo", value), { ok: true, value });
  });

  run("a refusal is an answer; a throw or garbage becomes one", async (device) => {
    const instance = await device.open(specOf());
    const refused = await ask(instance, "refuse", { why: 1 });
    assert.deepEqual(refused, { ok: false, code: "PROBE_REFUSED", message: "no", details: { why: 1 } });
    for (const [method, code] of [
      ["throw", "DEVICE_CALL_FAILED"],
      ["missing", "DEVICE_CALL_FAILED"],
      ["garbage", "DEVICE_ANSWER_INVALID"],
    ] as const) {
      const answer = await ask(instance, method);
      assert.ok(!answer.ok && answer.code === code, `${method}: ${JSON.stringify(answer)}`);
    }
    assert.equal((await ask(instance, "echo", 1)).ok, true, "and the driver goes on");
  });

  run("calls in flight together are answered each on its own", async (device) => {
    const instance = await device.open(specOf());
    const answers = await Promise.all([60, 5, 30, 1].map((ms) => ask(instance, "slow", { ms })));
    assert.deepEqual(
      answers.map((answer) => answer.ok && answer.value),
      [60, 5, 30, 1],
    );
  });

  run(
    "what is published arrives in order, before the answer of the call that published it",
    async (device) => {
      const spec = specOf();
      const instance = await device.open(spec);
      await ask(instance, "publish", { count: 500 });
      assert.equal(spec.seen.published.length, 500);
      assert.deepEqual(
        spec.seen.published.map((one) => one.event),
        Array.from({ length: 500 }, (_, n) => ({ n })),
      );
      assert.deepEqual(spec.seen.published[4], { topic: "probe.v1", key: "k1", event: { n: 4 } });
    },
  );

  run("log lines arrive", async (device) => {
    const spec = specOf();
    const instance = await device.open(spec);
    await ask(instance, "log", { x: 1 });
    assert.deepEqual(spec.seen.logs, [{ level: "info", message: "said", data: { x: 1 } }]);
  });

  run("dispose stops the driver, is no death, and later calls are answered DEVICE_DIED", async (device) => {
    const spec = specOf();
    const instance = await device.open(spec);
    await ask(instance, "echo");
    const waiting = ask(instance, "never");
    await instance.dispose();
    await instance.dispose();
    assert.deepEqual(
      spec.seen.logs.map((line) => line.message),
      ["stopped"],
    );
    assert.deepEqual(spec.seen.deaths, []);
    for (const answer of [await waiting, await ask(instance, "echo")]) {
      assert.ok(!answer.ok && answer.code === "DEVICE_DIED");
    }
  });

  run("two drivers are apart", async (device) => {
    const a = await device.open(specOf({ instance: "test.a/0", config: "a" }));
    const b = await device.open(specOf({ instance: "test.b/0", config: "b" }));
    assert.deepEqual(await ask(a, "config"), { ok: true, value: "a" });
    await a.dispose();
    assert.deepEqual(await ask(b, "config"), { ok: true, value: "b" });
  });

  run(
    "a driver that dies is reported once, what it owed is answered DEVICE_DIED, others go on",
    async (device) => {
      const spec = specOf();
      const instance = await device.open(spec);
      const other = await device.open(specOf({ instance: "test.other/0" }));
      const owed = [ask(instance, "never"), ask(instance, "never")];
      await contract.kill(device, instance, spec.instance);
      for (const answer of await Promise.all(owed)) assert.ok(!answer.ok && answer.code === "DEVICE_DIED");
      const late = await ask(instance, "echo");
      assert.ok(!late.ok && late.code === "DEVICE_DIED");
      assert.equal(spec.seen.deaths.length, 1);
      assert.deepEqual(await ask(other, "echo", 1), { ok: true, value: 1 });
      const again = await device.open(specOf());
      assert.deepEqual(await ask(again, "echo", 2), { ok: true, value: 2 });
    },
  );

  if (!contract.supports.process) return;

  run("only what was granted is there", async (device) => {
    const always = ["bytes", "clock", "log", "publish"];
    const none = await device.open(specOf());
    assert.deepEqual(await ask(none, "powers"), { ok: true, value: always });
    const some = await device.open(specOf({ instance: "test.other/0", powers: ["net.udp", "identity"] }));
    assert.deepEqual(await ask(some, "powers"), {
      ok: true,
      value: [...always, "identity", "net.udp"].sort(),
    });
  });

  run("an unknown power is refused by name", async (device) => {
    await assert.rejects(device.open(specOf({ powers: ["net.raw"] })), { code: "DEVICE_POWER_UNKNOWN" });
  });

  run("a driver that refuses to start, or a bundle that does not load, says why", async (device) => {
    await assert.rejects(device.open(specOf({ config: { refuse: "no port" } })), (error: Error) => {
      assert.equal((error as { code?: string }).code, "DEVICE_START_FAILED");
      return /no port/.test(error.message);
    });
    for (const bundle of ["var capsule = (() => {", "var capsule = {};", "throw new Error('boom');"]) {
      await assert.rejects(device.open(specOf({ bundle })), { code: "DEVICE_BUNDLE_BROKEN" });
    }
    await assert.rejects(device.open(specOf({ entry: "impl/other.js" })), { code: "DEVICE_ENTRY_MISSING" });
  });

  run("names of the process are hidden from the bundle", async (device) => {
    const instance = await device.open(specOf());
    const hidden = ["undefined", "undefined", "undefined"];
    assert.deepEqual(await ask(instance, "hidden"), { ok: true, value: hidden });
  });

  run("a driver is another process, with meters of its own", async (device) => {
    const instance = await device.open(specOf());
    const { pid, memoryBytes } = await instance.meters();
    assert.notEqual(pid, process.pid);
    assert.ok(memoryBytes > 0);
  });
}
