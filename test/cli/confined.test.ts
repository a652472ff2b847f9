/** A node confines what belongs in a weaker zone by itself, says how, and follows its policy. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Confinement, ConfinementReason } from "@vnes/kernel";
import { checkControlResult, type Json } from "@vnes/schemas";
import { Home } from "./vnes.ts";

interface Inspected {
  readonly group: string;
  readonly state: string;
  readonly confinement: { readonly confinement: Confinement; readonly reasons: readonly ConfinementReason[] };
  readonly meters: { readonly [shard: string]: { readonly host: { readonly pid: number } } };
}

function edit(file: string, change: (document: { [name: string]: Json }) => void): void {
  const document = JSON.parse(readFileSync(file, "utf8")) as { [name: string]: Json };
  change(document);
  writeFileSync(file, JSON.stringify(document));
}

async function installed(home: Home, id: string, zone: string): Promise<void> {
  const dir = join(home.dir, id);
  assert.equal((await home.run("capsule", "new", id, "--dir", dir)).code, 0);
  edit(join(dir, "manifest.json"), (manifest) => {
    manifest["security"] = { ...(manifest["security"] as object), trust_zone: zone } as Json;
    manifest["governance"] = { ...(manifest["governance"] as object), owner: "ada" } as Json;
  });
  for (const args of [
    ["build", dir],
    ["install", dir],
  ]) {
    const { code, err } = await home.run("capsule", ...args);
    assert.equal(code, 0, err);
  }
}

/** What the kernel says of the process that stands for the host: what is in it has namespaces of its own. */
function namespaceOf(pid: number, name: string): string {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return readFileSync(`/proc/${child}/${name}`, "utf8");
}

test("a tenant's capsule runs behind its wall without being asked for, and inspect says how and why (W1, W2)", async () => {
  await using home = new Home();
  await installed(home, "acme.greeter", "tenant");
  await installed(home, "acme.helper", "session");
  const node = await home.boot();
  const { value } = await home.json<{ value: unknown }>("call", "acme.greeter", "greet", '{"name":"Ada"}');
  assert.deepEqual(value, { greeting: "Hello, Ada!", times: 1 });

  const greeter = await home.json<Inspected>("capsule", "inspect", "acme.greeter");
  assert.equal(checkControlResult("inspect", greeter as unknown as Json), undefined);
  const { confinement, reasons } = greeter.confinement;
  assert.deepEqual(
    [confinement.wall, confinement.zone, confinement.memoryMb, confinement.network],
    ["namespaces", "tenant", 512, "none"],
  );
  assert.equal(confinement.sharedBy, greeter.group);
  assert.equal(reasons.find(({ setting }) => setting === "memoryMb")?.from, "zone");
  const pid = greeter.meters["acme.greeter/0"]?.host.pid as number;
  assert.match(namespaceOf(pid, "status"), /^NSpid:\s+\d+\s+1$/m);

  const shown = await home.run("capsule", "inspect", "acme.greeter");
  assert.match(shown.out, /^memory +512 MiB +zone +default of zone tenant; /m);
  assert.match(shown.out, /^capsule +acme\.greeter 0\.1\.0\nstate +active, STARTED$/m);
  assert.match(shown.out, /^signed +build key_[0-9a-f]{16}/m);
  assert.ok(shown.out.split("\n").length < 60, shown.out);
  const built = await home.json<Inspected>("capsule", "inspect", "vnes.core.observability");
  assert.equal(built.confinement.confinement.wall, "none");
  await node.kill("SIGTERM");

  // A line of the policy is followed, and named.
  edit(join(home.dir, "config", "policy.json"), (policy) => {
    policy["confinement"] = { tenant: { memory_mb: 320 }, system: { wall: "namespaces" } };
  });
  await home.boot();
  const bounded = await home.json<Inspected>("capsule", "inspect", "acme.greeter");
  assert.equal(bounded.confinement.confinement.memoryMb, 320);
  const why = bounded.confinement.reasons.find(({ setting }) => setting === "memoryMb");
  assert.deepEqual([why?.value, why?.from], ["320 MiB", "policy"]);
  const walled = await home.json<Inspected>("capsule", "inspect", "vnes.core.observability");
  assert.deepEqual([walled.state, walled.confinement.confinement.wall], ["active", "namespaces"]);
});

const WITHOUT_BUBBLEWRAP = [
  ...["unshare", "--mount", "sh", "-c"],
  ...['mount --bind /dev/null "$(command -v bwrap)" && exec "$@"', "sh"],
];
const skip =
  spawnSync(WITHOUT_BUBBLEWRAP[0] as string, [...WITHOUT_BUBBLEWRAP.slice(1), "true"]).status === 0
    ? {}
    : { skip: "only root can take bubblewrap away for one process" };

test(
  "a machine without bubblewrap refuses the capsule by name, says what to install, and runs the rest (W1)",
  skip,
  async () => {
    await using home = new Home(WITHOUT_BUBBLEWRAP);
    await installed(home, "acme.greeter", "tenant");
    await home.boot();
    const { capsules } = await home.json<{ capsules: { id: string; state: string; reason: string }[] }>(
      "capsule",
      "list",
    );
    const stateOf = (id: string): unknown => {
      const capsule = capsules.find((one) => one.id === id);
      return [capsule?.state, capsule?.reason];
    };
    assert.deepEqual(stateOf("acme.greeter"), ["unloaded", "CAPSULE_ZONE_UNCONFINED"]);
    assert.deepEqual(stateOf("vnes.core.observability"), ["active", "STARTED"]);
    const shown = await home.run("capsule", "inspect", "acme.greeter");
    assert.match(shown.out, /^acme.greeter cannot be confined here$/m);
    assert.match(shown.out, /^bubblewrap +there is no bwrap in .* sudo apt-get install bubblewrap$/m);
    const doctor = await home.run("doctor");
    assert.match(
      doctor.out,
      /^confinement +note +bubblewrap: there is no bwrap.* sudo apt-get install bubblewrap$/m,
    );
  },
);

test("--unconfined-dev takes every wall away, says so for each capsule, and inspect does too (W1)", async () => {
  await using home = new Home();
  await installed(home, "acme.greeter", "tenant");
  await home.boot("--unconfined-dev");
  const { confinement } = await home.json<Inspected>("capsule", "inspect", "acme.greeter");
  assert.equal(confinement.confinement.wall, "none");
  assert.deepEqual([confinement.reasons[0]?.setting, confinement.reasons[0]?.from], ["wall", "option"]);
});
