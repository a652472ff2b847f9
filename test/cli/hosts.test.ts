/**
 * What the machine says of the process each language's capsule runs in, on a node as a person boots it: a filter, no rights, namespaces,
 * limits and descriptors of its own. As whoever runs this, and when that is root, once more as an ordinary user.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Confinement, ConfinementReason } from "@vnes/kernel";
import { compileAssembly } from "../../kernel/drivers/wasm/test/modules.ts";
import { Home } from "./vnes.ts";

const TALLY = fileURLToPath(new URL("../../capsules/example/tally/wasm", import.meta.url));
const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
const NOBODY = "65534";
const AS_NOBODY = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--bounding-set=-all"];

interface Inspected {
  readonly state: string;
  readonly meters: { readonly [shard: string]: { readonly host: { readonly pid: number } } };
  readonly confinement: { readonly confinement: Confinement; readonly reasons: readonly ConfinementReason[] };
}

/** Each capsule by its language, in its folder, of zone tenant. */
async function written(home: Home): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const language of ["typescript", "python", "native"]) {
    const id = `acme.${language}`;
    const dir = join(home.dir, id);
    const made = await home.run("capsule", "new", id, "--dir", dir, "--language", language);
    assert.equal(made.code, 0, made.err);
    const [, compile] = /^next: (.*) && vnes capsule build/m.exec(made.out) ?? [];
    if (compile !== undefined) execFileSync("sh", ["-c", compile]);
    const file = join(dir, "manifest.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"ephemeral"', '"tenant"'));
    ids.push(id);
  }
  const module = join(home.dir, "tally.wasm");
  cpSync(TALLY, module, { recursive: true });
  await compileAssembly(module, "tally");
  return [...ids, "tally.wasm"];
}

/** What the process that stands for the host has started, and that again: bubblewrap waits, the last one is the host. */
function innermost(pid: number): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  return child === undefined ? pid : innermost(Number(child));
}

function looked(pid: number, node: number): unknown {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
  const ofNode = NAMESPACES.filter(
    (name) => readlinkSync(`/proc/${pid}/ns/${name}`) === readlinkSync(`/proc/${node}/ns/${name}`),
  );
  // A runtime opens pipes, counters and /dev/null for itself.
  const descriptors = readdirSync(`/proc/${pid}/fd`)
    .map((fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`)
    .filter((line) => !/ (anon_inode|pipe):/.test(line) && !/^([4-9]|\d\d+) \/dev\/null$/.test(line))
    .map((line) => line.replace(/\[\d+\]/, ""))
    .sort();
  const rights = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].filter((set) => !/^0+$/.test(field(set)));
  return { seccomp: field("Seccomp"), noNewPrivs: field("NoNewPrivs"), rights, ofNode, descriptors };
}

const EXPECTED = {
  seccomp: "2",
  noNewPrivs: "1",
  rights: [],
  ofNode: [],
  descriptors: ["0 /dev/null", "1 socket:", "2 socket:", "3 socket:"],
};

/** The number of bytes its control group allows; undefined without one. */
function memoryLimit(pid: number): number | undefined {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const group = lines
    .map((line) => line.split(":"))
    .find(([, names, path]) => {
      return (names === "" || names?.split(",").includes("memory")) && path?.includes("/vnes-");
    });
  if (group === undefined) return undefined;
  const [, names, path] = group;
  const file =
    names === "" ? `/sys/fs/cgroup${path}/memory.max` : `/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`;
  return Number(readFileSync(file, "utf8"));
}

async function checked(home: Home): Promise<void> {
  const ids = await written(home);
  if (process.getuid?.() === 0) execFileSync("chown", ["-R", "--reference", home.dir, home.dir]);
  for (const id of ids) {
    for (const command of ["build", "install"]) {
      const { code, err } = await home.run("capsule", command, join(home.dir, id));
      assert.equal(code, 0, err);
    }
  }
  const node = await home.boot();
  for (const id of ids) {
    const inspected = await home.json<Inspected>("capsule", "inspect", id);
    assert.equal(inspected.state, "active", id);
    const pid = innermost(inspected.meters[`${id}/0`]?.host.pid as number);
    assert.deepEqual(looked(pid, node.pid), EXPECTED, id);
    const { confinement, reasons } = inspected.confinement;
    const kept = reasons.find(({ setting }) => setting === "memoryMb")?.why ?? "";
    const limit = kept.includes("cgroup") ? confinement.memoryMb * 1024 * 1024 : undefined;
    assert.equal(memoryLimit(pid), limit, `${id}: ${kept}`);
  }
}

test("a capsule of each language runs in a process with a filter and no rights, in namespaces of its own (W4, W7)", async () => {
  await using home = new Home();
  await checked(home);
});

function reason(): string | undefined {
  if (process.getuid?.() !== 0) return "this is an ordinary user already";
  const { status } = spawnSync(AS_NOBODY[0] as string, [...AS_NOBODY.slice(1), "test", "-r", TALLY], {
    cwd: "/",
  });
  return status === 0 ? undefined : "other users may not read this folder";
}

const skip = reason();

test("the same on a node of an ordinary user (W4, W7)", skip === undefined ? {} : { skip }, async () => {
  await using home = new Home(AS_NOBODY);
  execFileSync("chown", [`${NOBODY}:${NOBODY}`, home.dir]);
  await checked(home);
});
