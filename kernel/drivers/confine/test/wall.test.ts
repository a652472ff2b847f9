/**
 * Code that has left its isolate, behind the wall of each zone: what it is, what it can reach, and what bounds it. Run a second time by
 * `ordinary-user.test.ts` as somebody who is not root.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TrustZone } from "@vnes/schemas";
import { openWalls } from "../src/index.ts";
import { numberOf, REFUSED_CALLS } from "../src/seccomp/syscalls.ts";
import { confinementFor, type Probe, startProbe, walls } from "./probe.ts";

const ZONES: readonly TrustZone[] = ["system", "tenant", "session", "ephemeral"];
const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
const MEGABYTE = 1024 * 1024;

test("this machine can put walls up", () => {
  assert.deepEqual(walls.platform.lacks, []);
});

for (const zone of ZONES) {
  describe(`behind the wall of zone ${zone}`, () => {
    let probe: Probe;
    before(async () => {
      probe = await startProbe(zone);
    });
    after(() => probe.host.kill());

    test("no rights, no new ones, under a filter, and nobody (W4)", async () => {
      const status = (await probe.run(
        `return require("fs").readFileSync("/proc/self/status", "utf8")`,
      )) as string;
      const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
      assert.deepEqual(["Seccomp", "NoNewPrivs"].map(field), ["2", "1"]);
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.match(field(set), /^0+$/);
      assert.match(field("Uid"), /^65534\t65534\t65534\t65534$/);
      assert.match(field("Gid"), /^65534\t65534\t65534\t65534$/);
    });

    test("every namespace is another than the kernel's (W4)", async () => {
      const code = `const fs = require("fs"); return ${JSON.stringify(NAMESPACES)}.map((name) => fs.readlinkSync("/proc/self/ns/" + name))`;
      const theirs = (await probe.run(code)) as string[];
      for (const [index, name] of NAMESPACES.entries())
        assert.notEqual(theirs[index], readlinkSync(`/proc/self/ns/${name}`), name);
    });

    test("no descriptor but its own and the protocol's (W4)", async () => {
      const lines = (await probe.run(DESCRIPTORS)) as string[];
      const [input, ...others] = lines.filter((line) => !/ (anon_inode|pipe):/.test(line));
      assert.equal(input, "0 /dev/null");
      // Node opens /dev/null for itself.
      const opened = others.filter((line) => !line.endsWith(" /dev/null"));
      assert.deepEqual(
        opened.map((line) => line.replace(/\[\d+\]/, "")),
        ["1 socket:", "2 socket:", "3 socket:"],
      );
    });

    test("no environment, no file, no process of the machine (W5)", async () => {
      const { PWD: _, ...env } = (await probe.run("return process.env")) as { PWD?: string };
      assert.deepEqual(env, { LANG: "C", TZ: "UTC" });
      const own = (await probe.run(
        `return require("fs").readFileSync("/proc/1/environ", "latin1")`,
      )) as string;
      assert.doesNotMatch(own, /HOME|PATH|USER/);
      const command = await probe.run(`return require("fs").readFileSync("/proc/1/cmdline", "latin1")`);
      assert.doesNotMatch(String(command), /ro-bind/);
      const pids = await probe.run(
        `return require("fs").readdirSync("/proc").filter((name) => /^\\d+$/.test(name))`,
      );
      assert.deepEqual(pids, ["1", "2"]);
      const hidden = ["/etc", "/etc/passwd", "/home", "/root", "/tmp", "/var", "/run", "/sys", "/dev/shm"];
      // Where this project lies below one of them, that one is there, as the way to it.
      for (const path of hidden.filter((folder) => !import.meta.filename.startsWith(`${folder}/`)))
        assert.equal(await probe.refusal(`require("fs").statSync(${JSON.stringify(path)})`), "ENOENT", path);
      // Through links and `..` there is no other way either.
      for (const path of [
        "/proc/self/root/etc/passwd",
        "/proc/1/root/etc/passwd",
        "/usr/lib/../../etc/passwd",
      ])
        assert.match(
          await probe.refusal(`require("fs").readFileSync(${JSON.stringify(path)})`),
          /^(ENOENT|EACCES|EPERM)$/,
        );
      assert.equal(await probe.refusal(`process.kill(${process.pid}, 0)`), "ESRCH");
    });

    test("nothing can be written, changed or made (W5)", async () => {
      const opened = (path: string): Promise<string> =>
        probe.refusal(`require("fs").closeSync(require("fs").openSync("${path}", "r+"))`);
      for (const path of ["/x", "/usr/lib/x", "/dev/x", "/lib64/x"])
        assert.match(
          await probe.refusal(`require("fs").writeFileSync("${path}", "x")`),
          /^(EROFS|ENOENT|EACCES|EPERM)$/,
        );
      assert.equal(await probe.refusal(`require("fs").mkdirSync("/x")`), "EROFS");
      assert.match(await probe.refusal(`require("fs").chmodSync("/dev/null", 0o666)`), /^(EROFS|EPERM)$/);
      // Of the machine, and root's to the kernel wherever it looks at the number alone.
      for (const path of [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/hostname",
      ])
        assert.equal(await opened(path), "ENOENT", path);
      for (const path of [
        "/proc/self/oom_score_adj",
        "/proc/self/mem",
        "/proc/mtrr",
        "/proc/1/oom_score_adj",
      ])
        assert.match(await opened(path), /^(EROFS|ENOENT|EACCES|EPERM)$/, path);
      const ofMachine = ["cmdline", "diskstats", "interrupts", "locks", "modules", "partitions", "swaps"];
      for (const file of [
        "kpagecount",
        "slabinfo",
        "timer_list",
        "kallsyms",
        "keys",
        "kcore",
        ...ofMachine,
      ]) {
        const read = await probe.refusal(
          `const fs = require("fs"); const fd = fs.openSync("/proc/${file}", "r"); return fs.readSync(fd, Buffer.alloc(8))`,
        );
        assert.match(read, /^(worked: 0|ENOENT|EACCES|EPERM)$/, file);
      }
    });

    test("no network and no socket of the machine (W5)", async () => {
      const folder = mkdtempSync(join(tmpdir(), "vnes-wall-"));
      const unix = await listening(join(folder, "s"));
      const tcp = await listening(0);
      try {
        const { port } = tcp.address() as { port: number };
        for (const target of [
          `{ port: ${port}, host: "127.0.0.1" }`,
          JSON.stringify({ path: join(folder, "s") }),
        ])
          assert.equal(await probe.refusal(connecting(target)), "EPERM");
        assert.equal(
          await probe.refusal(
            `await new Promise((_, fail) => require("dgram").createSocket("udp4").on("error", fail).bind(0))`,
          ),
          "EPERM",
        );
        // Another namespace has none but its own loopback; asking for them takes a socket.
        assert.equal(await probe.refusal(`require("os").networkInterfaces()`), "ERR_SYSTEM_ERROR");
      } finally {
        unix.close();
        tcp.close();
        rmSync(folder, { recursive: true });
      }
    });

    test("no process besides it, and its first one cannot be ended from inside (W5)", async () => {
      const code = `return require("child_process").spawnSync(process.execPath, ["-e", ""]).error?.code`;
      assert.equal(await probe.run(code), "EPERM");
      await probe.run(`process.kill(1, "SIGKILL"); process.kill(1, "SIGTERM")`);
      assert.equal(await probe.run("return 1"), 1);
      assert.notEqual(await probe.refusal(`require("os").setPriority(0, -5)`), "worked: null");
    });

    test("resource limits are those of the confinement, and so is the niceness (W7)", async () => {
      const { pids, openFiles, nice } = probe.confinement;
      const limits = (await probe.run(
        `return require("fs").readFileSync("/proc/self/limits", "utf8")`,
      )) as string;
      const hard = (name: string): string =>
        new RegExp(`^${name}\\s+\\S+\\s+(\\S+)`, "m").exec(limits)?.[1] ?? "";
      assert.deepEqual(["Max processes", "Max open files", "Max file size", "Max core file size"].map(hard), [
        String(pids),
        String(openFiles),
        "0",
        "0",
      ]);
      const own = Number(spawnSync("nice", { encoding: "utf8" }).stdout);
      assert.equal(await probe.run(`return require("os").getPriority()`), Math.min(19, own + nice));
    });

    test("its control group has the confinement's limits (W7)", async (t) => {
      if (walls.platform.keeps.memory === "watchdog") return t.skip("no control group is writable here");
      const { memoryMb, pids } = probe.confinement;
      const group = ownGroup("memory", probe.host.pid);
      const file = (one: string, two: string): string =>
        walls.platform.keeps.memory === "cgroup v2" ? two : one;
      assert.equal(Number(group(file("memory.limit_in_bytes", "memory.max"))), memoryMb * MEGABYTE);
      assert.equal(Number(ownGroup("pids", probe.host.pid)("pids.max")), pids);
    });

    test("its control group has the niceness's weight, because that of a process counts only within it (W7)", async (t) => {
      const { cpu } = walls.platform.keeps;
      if (cpu === "watchdog") return t.skip("no control group is writable here");
      const group = ownGroup("cpu", probe.host.pid);
      const { nice } = probe.confinement;
      if (cpu === "cgroup v2") return assert.equal(Number(group("cpu.weight.nice")), nice);
      // The kernel's table of weights, `sched_prio_to_weight`.
      const weights = [1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110];
      const shares = Number(group("cpu.shares"));
      assert.ok(Math.abs(shares - (weights[nice] ?? 0)) <= 5, `${shares}`);
    });

    test("while it computes for long it is nicer than that, and for a while afterwards (W7)", async (t) => {
      const { pid } = probe.host;
      const { cpu } = walls.platform.keeps;
      if (cpu === "watchdog" && !existsSync(`/proc/${pid}/autogroup`))
        return t.skip("this machine has neither control groups nor groups of sessions");
      const weight =
        cpu === "watchdog"
          ? () => readFileSync(`/proc/${pid}/autogroup`, "utf8")
          : () => ownGroup("cpu", pid)(cpu === "cgroup v2" ? "cpu.weight.nice" : "cpu.shares");
      // As an ordinary user it may take its time.
      await sleep(cpu === "watchdog" ? 1_000 : 0);
      const before = weight();
      probe.host.awaited(true);
      while (weight() === before) await sleep(10);
      probe.host.awaited(false);
      while (weight() !== before) await sleep(10);
    });
  });
}

const DESCRIPTORS = `
  const fs = require("fs");
  return fs.readdirSync("/proc/self/fd").flatMap((fd) => {
    try { return fd + " " + fs.readlinkSync("/proc/self/fd/" + fd); } catch { return []; }
  }).sort((a, b) => Number.parseInt(a) - Number.parseInt(b))`;

const connecting = (target: string): string =>
  `await new Promise((done, fail) => require("net").connect(${target}).on("error", fail).on("connect", done))`;

function listening(where: string | number): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve) => server.listen(where, () => resolve(server)));
}

/** Reads files of the group a process is in. */
function ownGroup(controller: string, pid: number): (file: string) => string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const path = (name: string): string | undefined =>
    lines.map((line) => line.split(":")).find(([, names]) => names?.split(",").includes(name))?.[2];
  const one = path(controller);
  assert.match(one ?? path("") ?? "", /vnes-/);
  const folder = one === undefined ? `/sys/fs/cgroup${path("")}` : `/sys/fs/cgroup/${controller}${one}`;
  return (file) => readFileSync(join(folder, file), "utf8").trim();
}

/** With what this machine has, and with nothing but resource limits and the watchdog. */
const KEEPERS = [
  ["as this machine keeps them", undefined],
  ["without control groups", { cgroups: undefined }],
] as const;

for (const [name, options] of KEEPERS) {
  describe(`limits, ${name}`, () => {
    test("memory ends the host, by name (W7)", async () => {
      const { death, refusal } = await startProbe("ephemeral", {}, options);
      const flood = `const kept = []; for (;;) { kept.push(Buffer.alloc(4e6, 1)); await new Promise((r) => setTimeout(r, 1)); }`;
      assert.match(await refusal(flood), /^DIED/);
      assert.match((await death).reason, /it used more than its 192 MiB of memory/);
    });

    test("threads are bounded (W7)", async () => {
      const probe = await startProbe("session", { pids: 40, open_files: 4096, memory_mb: 2048 }, options);
      const bomb = `const { Worker } = require("worker_threads");
        for (let made = 0; made < 64; made++) {
          try { await new Promise((done, fail) => new Worker("setInterval(() => {}, 1e3)", { eval: true }).on("online", done).on("error", fail)); }
          catch { return made; }
        }
        return 64;`;
      const made = await probe.refusal(bomb);
      // Refused, or, where only the watchdog looks, ended; V8 itself gives up when it gets no thread.
      if (!made.startsWith("DIED")) assert.ok(Number(/\d+/.exec(made)?.[0]) < 40, made);
      await probe.host.kill();
    });

    test("its session is as nice as its processes, where no control group is (W7)", async (t) => {
      const file = (pid: number): string => `/proc/${pid}/autogroup`;
      if (!existsSync(file(process.pid))) return t.skip("this machine has no groups of sessions");
      const probe = await startProbe("session", {}, options);
      const { cpu } = (options === undefined ? walls : await openWalls(options)).platform.keeps;
      const nice = cpu === "watchdog" ? probe.confinement.nice : 0;
      while (Number(/nice (-?\d+)/.exec(readFileSync(file(probe.host.pid), "utf8"))?.[1]) !== nice)
        await sleep(50);
      await probe.host.kill();
    });

    test("processor time is bounded (W7)", async () => {
      const probe = await startProbe("session", { cpu_percent: 25 }, options);
      // What was saved is used up first.
      const burn = `const burn = (ms) => { const until = Date.now() + ms; while (Date.now() < until); };
        burn(1500); const from = process.cpuUsage(); burn(1500);
        const { user, system } = process.cpuUsage(from); return (user + system) / 1000;`;
      const usedMs = (await probe.run(burn)) as number;
      assert.ok(usedMs < 1_100, `${usedMs} of 1500 ms`);
      await probe.host.kill();
    });
  });
}

test("a scratch folder is private, of its size, and the only thing that can be written (W7)", async () => {
  const probe = await startProbe("tenant", { scratch_mb: 2 });
  const write = (file: string, megabytes: number): string =>
    `require("fs").writeFileSync("${file}", Buffer.alloc(${megabytes} * 1024 * 1024)); return "kept"`;
  assert.equal(await probe.run(write("/tmp/a", 1)), "kept");
  assert.equal(await probe.refusal(write("/tmp/b", 1.5)), "ENOSPC");
  assert.equal(await probe.refusal(write("/x", 1)), "EROFS");
  assert.deepEqual(readdirSync(tmpdir()).includes("a"), false);
  await probe.host.kill();
});

test("a message over its bound ends the host (W7)", async () => {
  const probe = await startProbe("tenant", { message_mb: 1 });
  assert.equal(((await probe.run("return 'x'.repeat(900_000)")) as string).length, 900_000);
  assert.match(await probe.refusal("return 'x'.repeat(1_100_000)"), /^DIED.*does not fit/);
});

test("killing the child ends everything inside, and its control group goes (W8)", async () => {
  const probe = await startProbe("tenant");
  const inside = descendants(probe.host.pid);
  assert.ok(inside.length >= 3, String(inside));
  const groups = readFileSync(`/proc/${probe.host.pid}/cgroup`, "utf8");
  await probe.host.kill();
  await until(() => inside.every((pid) => !isThere(pid)));
  const name = /vnes-\d+-\d+/.exec(groups)?.[0];
  if (name !== undefined)
    await until(
      () => !spawnSync("find", ["/sys/fs/cgroup", "-name", name], { encoding: "utf8" }).stdout.includes(name),
    );
});

test("a host that is killed while its wall goes up leaves nothing behind (W8)", async () => {
  const { wallOf } = await openWalls({ cgroups: undefined });
  const wall = wallOf(confinementFor("ephemeral"));
  const sleep = { file: "/usr/bin/sleep", args: ["600"], env: {}, reads: [] };
  for (let delayMs = 0; delayMs < 36; delayMs++) {
    const walled = wall.start(sleep);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    walled.kill();
    // It ends with the last process that has its pipes.
    await outputOf(walled.child);
    walled.ended();
  }
});

test("hosts end with a kernel that is killed, and inherit nothing it was started with (W4, W8)", async () => {
  const script = `import { startProbe } from ${JSON.stringify(new URL("./probe.ts", import.meta.url).href)};
    const probe = await startProbe("tenant");
    process.stdout.write(JSON.stringify({ pid: probe.host.pid, descriptors: await probe.run(${JSON.stringify(DESCRIPTORS)}) }));
    process.kill(process.pid, "SIGKILL");`;
  const folder = mkdtempSync(join(tmpdir(), "vnes-wall-"));
  const secret = join(folder, "secret");
  writeFileSync(secret, "secret");
  // Without close-on-exec, and beyond those that Node closes by itself.
  const shell = `exec 40<"$1" 200<"$1"; shift; exec "$@"`;
  const node = [process.execPath, "--conditions=source", "--input-type=module", "-e", script];
  const { stdout, stderr } = spawnSync("bash", ["-c", shell, "bash", secret, ...node], { encoding: "utf8" });
  rmSync(folder, { recursive: true });
  assert.notEqual(stdout, "", stderr);
  const { pid, descriptors } = JSON.parse(stdout) as { pid: number; descriptors: string[] };
  assert.deepEqual(
    descriptors.filter((line) => line.includes("secret")),
    [],
  );
  await until(() => !isThere(pid));
});

test("an executable that comes as bytes runs, with no file on the machine involved", async () => {
  const bytes = readFileSync("/usr/bin/printf");
  const wall = walls.wallOf(confinementFor("ephemeral"));
  const walled = wall.start({ file: "/nowhere/say", bytes, args: ["%s", "said"], env: {}, reads: [] });
  assert.equal(await outputOf(walled.child), "said");
  walled.ended();
});

const PYTHON = "/usr/bin/python3";
const skipPython = existsSync(PYTHON) ? {} : { skip: `${PYTHON} is not there to make calls with` };

test("the kernel itself refuses every call of the list, and makes threads (W6)", skipPython, async () => {
  const architecture = process.arch === "x64" ? "x86_64" : "aarch64";
  const numbers = Object.values(REFUSED_CALLS)
    .flatMap((calls) => Object.values(calls))
    .flatMap((number) => numberOf(number, architecture) ?? []);
  const code = `
import ctypes, json, threading
libc = ctypes.CDLL(None, use_errno=True)
def refusal(number):
    ctypes.set_errno(0)
    return ctypes.get_errno() if libc.syscall(number, 0, 0, 0, 0, 0, 0) == -1 else 0
threads = []
thread = threading.Thread(target=lambda: threads.append("ran"))
thread.start()
thread.join()
print(json.dumps({"refused": [refusal(number) for number in ${JSON.stringify(numbers)}], "newer": refusal(500), "threads": threads}))`;
  const wall = walls.wallOf(confinementFor("ephemeral"));
  const walled = wall.start({ file: PYTHON, args: ["-I", "-c", code], env: {}, reads: [] });
  const said = await outputOf(walled.child);
  walled.ended();
  const { refused, newer, threads } = JSON.parse(said) as {
    refused: number[];
    newer: number;
    threads: string[];
  };
  const EPERM = 1;
  const allowed = numbers.filter((_, index) => refused[index] !== EPERM);
  assert.deepEqual([allowed, newer, threads], [[], 38, ["ran"]]);
});

test("a host that cannot be started says why", async () => {
  const wall = walls.wallOf(confinementFor("ephemeral"));
  const walled = wall.start({ file: "/nowhere/at-all", args: [], env: {}, reads: [] });
  assert.match(await outputOf(walled.child), /at-all.*No such file/);
  walled.ended();
});

test("what is missing is named with the package it comes in, and no wall is handed out (W1)", async () => {
  const without = await openWalls({ toolFolders: [join(tmpdir(), "no-such-folder")] });
  assert.deepEqual(
    without.platform.lacks.map(({ part }) => part),
    ["bubblewrap", "bash", "coreutils", "util-linux"],
  );
  assert.equal(without.platform.lacks[0]?.remedy, "sudo apt-get install bubblewrap");
  assert.throws(() => without.wallOf(confinementFor("tenant")), { code: "WALL_NOT_POSSIBLE" });
});

test("a bubblewrap that is too old is said to be one (W1)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vnes-wall-"));
  const said = 'echo "bwrap: Unknown option --size" >&2; exit 1';
  writeFileSync(join(folder, "bwrap"), `#!/bin/sh\n${said}\n`, { mode: 0o755 });
  const { platform } = await openWalls({ toolFolders: [folder, "/usr/bin", "/bin"] });
  rmSync(folder, { recursive: true });
  const [lack] = platform.lacks;
  assert.deepEqual([lack?.part, lack?.found], ["bubblewrap", "bwrap: Unknown option --size: it is too old"]);
  assert.match(lack?.remedy ?? "", /bubblewrap 0\.7 or newer/);
});

function outputOf(child: ChildProcess): Promise<string> {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  return new Promise((resolve) => child.once("close", () => resolve(output)));
}

function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter(Boolean)
    .map(Number);
  return [pid, ...children.flatMap(descendants)];
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let wait = 0; wait < 150 && !holds(); wait++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(holds());
}
