/** A real child process: what it is given, and every way it can end. */
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { constants, getPriority } from "node:os";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HOST_PROTOCOL_VERSION } from "@vnes/schemas";
import { type HostDeath, type HostProcess, nodeProgram, noWall, spawnHost } from "../src/index.ts";
import { SERVED_PROTOCOL_VERSION } from "../src/serve-host.ts";

interface Started {
  readonly host: HostProcess;
  readonly death: Promise<HostDeath>;
  readonly deaths: HostDeath[];
  ask(ask: string, value?: unknown): Promise<unknown>;
  tell(ask: string, value?: unknown): void;
}

async function start(): Promise<Started> {
  const waiting: ((message: unknown) => void)[] = [];
  const died = Promise.withResolvers<HostDeath>();
  const deaths: HostDeath[] = [];
  const host = await spawnHost({
    name: "test",
    program: nodeProgram(new URL("./fixtures/echo-host.ts", import.meta.url)),
    onMessage: (message) => waiting.shift()?.(message),
    onDeath: (death) => {
      deaths.push(death);
      died.resolve(death);
    },
  });
  const tell = (ask: string, value?: unknown): void => host.send({ ask, value });
  const ask = (what: string, value?: unknown): Promise<unknown> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      tell(what, value);
    });
  return { host, death: died.promise, deaths, ask, tell };
}

test("a process without a wall is as nice as it is to be, and so is its session", async (t) => {
  const { child, kill } = noWall(4).start({
    ...{ file: process.execPath, args: ["-e", "setInterval(() => {}, 1000)"], env: {}, reads: [] },
  });
  t.after(kill);
  const { pid = 0 } = child;
  assert.equal(getPriority(pid), Math.min(constants.priority.PRIORITY_LOW, getPriority() + 4));
  const group = `/proc/${pid}/autogroup`;
  while (existsSync(group) && !readFileSync(group, "utf8").includes("nice 4")) await sleep(20);
});

test("while a message is worked off nothing more is read, and what is left comes behind it", async () => {
  const seen: unknown[] = [];
  const work = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  const host = await spawnHost({
    name: "test",
    program: nodeProgram(new URL("./fixtures/echo-host.ts", import.meta.url)),
    onMessage: (message) => {
      seen.push(message);
      if (seen.length === 4) all.resolve();
      return seen.length === 1 ? work.promise : undefined;
    },
    onDeath: () => undefined,
  });
  const values = [1, 2, "x".repeat(300_000), 3];
  for (const value of values) host.send({ ask: "echo", value });
  while (seen.length === 0) await sleep(5);
  await sleep(100);
  assert.equal(seen.length, 1);
  work.resolve();
  await all.promise;
  assert.deepEqual(
    seen,
    values.map((echo) => ({ echo })),
  );
  await host.kill();
});

test("a host that dies, or is ended, while a message is worked off is gone once that is over", async () => {
  for (const end of ["exit", "kill"]) {
    const work = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const died = Promise.withResolvers<HostDeath>();
    let messages = 0;
    const host = await spawnHost({
      name: "test",
      program: nodeProgram(new URL("./fixtures/echo-host.ts", import.meta.url)),
      onMessage: () => {
        messages += 1;
        begun.resolve();
        return work.promise;
      },
      onDeath: died.resolve,
    });
    for (let n = 0; n < 2; n++) host.send({ ask: "echo", value: n });
    await begun.promise;
    if (end === "exit") host.send({ ask: "exit", value: 3 });
    else void host.kill();
    work.resolve();
    const { code, signal } = await died.promise;
    assert.deepEqual([code, signal], end === "exit" ? [3, null] : [null, "SIGKILL"]);
    assert.equal(messages, end === "exit" ? 2 : 1);
  }
});

test("messages go there and back; a host that is killed dies once", async () => {
  const { host, ask, death, deaths } = await start();
  const large = { text: "ä".repeat(300_000), list: [1, null, "x"] };
  assert.deepEqual(await ask("echo", large), { echo: large });
  await host.kill();
  await host.kill();
  assert.equal((await death).signal, "SIGKILL");
  assert.match((await death).reason, /it was stopped/);
  host.send({ ask: "echo" });
  assert.equal(deaths.length, 1);
});

test("a host has no environment, no directory and none of the kernel's files", async () => {
  const secret = openSync(new URL(import.meta.url), "r");
  const { host, ask } = await start();
  try {
    const { env, cwd } = (await ask("env")) as { env: object; cwd: string };
    assert.deepEqual(env, { TZ: "UTC", LANG: "C" });
    assert.equal(cwd, "/");
    const { descriptors } = (await ask("descriptors")) as { descriptors: string[] };
    assert.deepEqual(
      descriptors.filter((line) => line.includes("host-process.test")),
      [],
    );
    assert.equal(
      descriptors.find((line) => line.startsWith("0 ")),
      "0 /dev/null",
    );
  } finally {
    closeSync(secret);
    await host.kill();
  }
});

test("the reason of a death has the exit code and the last words", async () => {
  const { tell, death } = await start();
  tell("print", "FATAL ERROR: out of everything");
  tell("print", "a stack that nobody reads");
  tell("exit", 3);
  const { code, signal, reason } = await death;
  assert.deepEqual([code, signal], [3, null]);
  assert.equal(reason, "exit code 3: FATAL ERROR: out of everything");
});

test("a flood of output is kept to its end and counted", async () => {
  const { tell, death } = await start();
  tell("print", "x".repeat(1_000_000));
  tell("print", "the end");
  tell("exit", 1);
  assert.match((await death).reason, /^exit code 1: the end, 99\d{4} more bytes of output dropped$/);
});

test("a handler that throws ends its host with the reason", async () => {
  const { tell, death } = await start();
  tell("throw", "unexpected");
  const { code, reason } = await death;
  assert.equal(code, 70);
  assert.match(reason, /Error: unexpected/);
});

test("a hung host is killed when something is expected and nothing comes", async () => {
  const { host, tell, ask, death } = await start();
  host.expect(1_000);
  // Each arrival starts the time again. Long enough for a machine that is busy with other tests.
  for (let round = 0; round < 4; round++) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    await ask("echo", round);
  }
  tell("hang");
  assert.match((await death).reason, /nothing came from it for 1000 ms/);
});

test("a kernel that was held up itself does not blame the host", async () => {
  const { host, ask, deaths } = await start();
  host.expect(100);
  const answer = ask("echo", 1);
  // Held up in the phase before timers run: the time is over before the answer that waits is read.
  setImmediate(() => {
    const until = performance.now() + 300;
    while (performance.now() < until);
  });
  await answer;
  await new Promise((resolve) => setTimeout(resolve, 50));
  host.expect(undefined);
  assert.equal(deaths.length, 0);
  await host.kill();
});

test("bytes that are no frame end the host, and say so", async () => {
  const { tell, death } = await start();
  tell("garbage", "\x00\x00\x00\x02{]");
  const { signal, reason } = await death;
  assert.equal(signal, "SIGKILL");
  assert.match(reason, /is no message: not JSON/);
  const other = await start();
  other.tell("garbage", "\xff\xff\xff\xff");
  assert.match((await other.death).reason, /does not fit/);
});

test("a host leaves when the kernel's end of the pipe closes", async () => {
  const script = `import { nodeProgram, noWall, spawnHost } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
    const host = await spawnHost({ name: "orphan", program: nodeProgram(new URL(${JSON.stringify(new URL("./fixtures/echo-host.ts", import.meta.url).href)})), onMessage() {}, onDeath() {} });
    process.stdout.write(String(host.pid)); process.kill(process.pid, "SIGKILL");`;
  const { spawnSync } = await import("node:child_process");
  const { stdout } = spawnSync(
    process.execPath,
    ["--conditions=source", "--input-type=module", "-e", script],
    { encoding: "utf8" },
  );
  const pid = Number(stdout);
  assert.ok(pid > 0, stdout);
  const isThere = (): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  for (let wait = 0; wait < 100 && isThere(); wait++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isThere(), false);
});

test("a host that cannot start is an error with the reason, and no death is left to be told", async () => {
  const start = spawnHost({
    name: "missing",
    program: nodeProgram(new URL("./fixtures/no-such-host.ts", import.meta.url)),
    onMessage: () => {},
    onDeath: () => {},
  });
  await assert.rejects(start, {
    code: "HOST_START_FAILED",
    message: /missing did not start: exit code 1.*no-such-host/s,
  });
});

for (const how of ["silent", "slow"]) {
  test(`a host that is ${how} with its hello is not waited for`, async () => {
    const start = spawnHost({
      name: how,
      program: nodeProgram(new URL(`./fixtures/${how}-host.ts`, import.meta.url)),
      startTimeoutMs: 1_000,
      onMessage: () => {},
      onDeath: () => {},
    });
    await assert.rejects(start, {
      code: "HOST_START_FAILED",
      message: /it did not say hello within 1000 ms/,
    });
  });
}

test("a host of another protocol version is refused", async () => {
  const start = spawnHost({
    name: "old",
    program: nodeProgram(new URL("./fixtures/old-host.ts", import.meta.url)),
    onMessage: () => {},
    onDeath: () => {},
  });
  await assert.rejects(start, { code: "HOST_PROTOCOL_VERSION" });
  assert.equal(SERVED_PROTOCOL_VERSION, HOST_PROTOCOL_VERSION);
});
