/** Where control groups are made, on machines this one is not: told by what their `/proc` says and by folders that stand for theirs. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findCgroupPlace, openCgroup, sweepCgroups } from "../src/cgroup.ts";
import { confinementFor } from "./probe.ts";

interface Tree {
  readonly root: string;
  folder(path: string, files?: { readonly [name: string]: string }): string;
}

function withTree(body: (tree: Tree) => void): void {
  const root = mkdtempSync(join(tmpdir(), "vnes-cgroup-"));
  const folder: Tree["folder"] = (path, files = {}) => {
    mkdirSync(join(root, path), { recursive: true });
    for (const [name, text] of Object.entries({ "cgroup.procs": "", ...files }))
      writeFileSync(join(root, path, name), text);
    return join(root, path);
  };
  try {
    body({ root, folder });
  } finally {
    rmSync(root, { recursive: true });
  }
}

const two = (root: string): string => `31 23 0:28 / ${root} rw - cgroup2 cgroup2 rw`;
const ON = { "cgroup.subtree_control": "cpuset cpu io memory pids\n" };

test("version 2: below its own group where that hands controllers down, beside it otherwise", () => {
  withTree(({ root, folder }) => {
    folder("");
    const parent = folder("user.slice/app.slice", ON);
    const own = folder("user.slice/app.slice/run.scope", ON);
    const cgroups = "0::/user.slice/app.slice/run.scope\n";
    assert.equal(findCgroupPlace(cgroups, two(root))?.controllers.memory, own);
    // As the kernel does while processes are in a group: nothing can be switched on.
    rmSync(join(own, "cgroup.subtree_control"));
    mkdirSync(join(own, "cgroup.subtree_control"));
    assert.equal(findCgroupPlace(cgroups, two(root))?.controllers.memory, parent);
    rmSync(join(parent, "cgroup.subtree_control"));
    mkdirSync(join(parent, "cgroup.subtree_control"));
    assert.equal(findCgroupPlace(cgroups, two(root)), undefined);
  });
});

test("version 1: each controller where this process is in it, as far as the mount shows it", () => {
  withTree(({ root, folder }) => {
    const memory = folder("memory/jobs/one");
    const pids = folder("pids");
    const mounts = [
      `32 31 0:29 / ${join(root, "memory")} rw - cgroup cgroup rw,memory`,
      `33 31 0:30 /box ${join(root, "pids")} rw - cgroup cgroup rw,pids`,
      `34 31 0:31 / ${join(root, "gone")} rw - cgroup cgroup rw,cpu,cpuacct`,
    ].join("\n");
    const cgroups = "9:pids:/box\n4:memory:/jobs/one\n1:cpu,cpuacct:/\n";
    assert.deepEqual(findCgroupPlace(cgroups, mounts), { version: "v1", controllers: { memory, pids } });
    assert.equal(findCgroupPlace("", ""), undefined);
    assert.equal(findCgroupPlace("9:pids:/other\n", mounts), undefined);
  });
});

test("a group is told every limit, and what cannot be told leaves none behind", () => {
  withTree(({ folder }) => {
    const at = folder("vnes", ON);
    const limits = confinementFor("tenant", { memory_mb: 300, pids: 77, cpu_percent: 150 });
    const v2 = { version: "v2", controllers: { memory: at, pids: at, cpu: at } } as const;
    const group = openCgroup(v2, limits);
    const [procs = ""] = group.joins;
    assert.equal(group.joins.length, 1);
    const told = (file: string): string => readFileSync(join(procs, "..", file), "utf8");
    assert.deepEqual(["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max"].map(told), [
      String(300 * 1024 * 1024),
      "0",
      "1",
      "77",
      "300000 200000",
    ]);
    assert.equal(group.memoryKills(), 0);
    writeFileSync(join(procs, "..", "memory.events"), "oom 3\noom_kill 2\n");
    assert.equal(group.memoryKills(), 2);

    const closed = join(at, "no-such-folder");
    assert.throws(() => openCgroup({ version: "v1", controllers: { memory: closed } }, limits));
    assert.equal(existsSync(closed), false);
  });
});

test("groups of nodes that are gone are swept, those of others stay", () => {
  withTree(({ root }) => {
    const gone = 2 ** 22 + 1;
    for (const name of [`vnes-${gone}-0`, `vnes-${process.pid}-0`, "user.slice", `vnes-${gone}-x`])
      mkdirSync(join(root, name));
    sweepCgroups({ version: "v1", controllers: { memory: root } });
    const left = [`vnes-${gone}-0`, `vnes-${process.pid}-0`, "user.slice", `vnes-${gone}-x`].map((name) =>
      existsSync(join(root, name)),
    );
    assert.deepEqual(left, [false, true, true, true]);
  });
});
