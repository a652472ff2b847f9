/** The way of an author: from `capsule new` to a capsule that answers, and what one flipped byte does to it. */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, cpSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

test("a new capsule builds, verifies, installs, boots and answers as it is", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  for (const args of [
    ["new", "acme.greeter", "--dir", dir],
    ["build", dir],
    ["verify", dir, "--rebuild"],
    ["install", dir],
  ]) {
    const { code, err } = await home.run("capsule", ...args);
    assert.equal(code, 0, `${args[0]}: ${err}`);
  }
  const node = await home.boot();
  const greet = async (): Promise<unknown> => {
    return (await home.json<{ value: unknown }>("call", "acme.greeter", "greet", '{"name":"Ada"}')).value;
  };
  assert.deepEqual(await greet(), { greeting: "Hello, Ada!", times: 1 });
  assert.deepEqual(await greet(), { greeting: "Hello, Ada!", times: 2 });
  await node.kill("SIGKILL");
  await home.boot();
  assert.deepEqual(await greet(), { greeting: "Hello, Ada!", times: 3 }, "the count survives a killed node");
});

test("one flipped byte in impl/ is named, is exit 5, and is quarantined at boot", async () => {
  await using home = new Home();
  const capsules = join(home.dir, "capsules");
  const dir = join(capsules, "greeter");
  await home.run("capsule", "new", "acme.greeter", "--dir", dir);
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const file = join(dir, "impl", "main.js");
  const bytes = readFileSync(file);
  bytes[10] = (bytes[10] as number) ^ 1;
  writeFileSync(file, bytes);
  const { code, out } = await home.run("capsule", "verify", dir);
  assert.equal(code, 5);
  assert.match(out, /^RECEIPT_HASH_MISMATCH {2}impl\/main\.js/m);
  const refused = await home.run("capsule", "install", dir);
  assert.equal(refused.code, 5);
  assert.match(refused.err, /^CAPSULE_NOT_VERIFIED /m);

  const node = await home.boot("--capsules", capsules);
  await node.kill("SIGTERM");
  const { entries } = await home.json<{
    entries: { entry: string; id: string; reasons: { code: string }[] }[];
  }>("quarantine", "list");
  assert.deepEqual(
    entries.map(({ id }) => id),
    ["acme.greeter"],
  );
  assert.ok(entries[0]?.reasons.some(({ code: reason }) => reason === "RECEIPT_HASH_MISMATCH"));
  const shown = await home.run("quarantine", "show", entries[0]?.entry ?? "");
  assert.equal(shown.code, 0);
  assert.match(shown.out, /RECEIPT_HASH_MISMATCH/);
  const entry = entries[0]?.entry ?? "";
  assert.equal((await home.run("quarantine", "delete", entry)).code, 0);
  assert.match((await home.run("quarantine", "list")).out, /^quarantine is empty$/m);
  const gone = await home.run("quarantine", "delete", entry);
  assert.equal(gone.code, 3);
  assert.match(gone.err, /QUARANTINE_ENTRY_UNKNOWN/);
});

test("an installed capsule whose image was changed is in quarantine under the name it was installed by", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  await home.run("capsule", "new", "acme.greeter", "--dir", dir);
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const installed = await home.json<{ image: string }>("capsule", "install", dir);
  const [file = ""] = globSync(`**/images/${installed.image.replace("sha256:", "")}*/impl/main.js`, {
    cwd: home.dir,
  });
  chmodSync(join(home.dir, file), 0o644);
  appendFileSync(join(home.dir, file), "\n");
  const node = await home.boot();
  type Entry = { entry: string; id: string; version: string; reasons: { code: string }[] };
  const { entries: now } = await home.json<{ entries: Entry[] }>("quarantine", "list");
  const next = `vnes quarantine show ${now[0]?.entry}`;
  for (const asked of [
    ["capsule", "inspect", "acme.greeter"],
    ["capsule", "resume", "acme.greeter"],
    ["call", "acme.greeter", "greet", '{"name":"x"}'],
  ]) {
    const refused = await home.run(...asked);
    assert.equal(refused.code, 4, refused.err);
    assert.match(refused.err, /^CAPSULE_QUARANTINED /m);
    assert.match(refused.err, /IMAGE_HASH_MISMATCH/);
    assert.ok(refused.err.includes(next), refused.err);
  }
  for (const looked of ["status", "doctor"]) {
    const { out } = await home.run(looked);
    assert.match(out, /acme\.greeter.*IMAGE_HASH_MISMATCH/, looked);
    assert.ok(out.includes(next), `${looked}: ${out}`);
  }
  // Of one that nobody has, or that is named alike, nothing else is said than before.
  assert.match((await home.run("capsule", "inspect", "acme.greet")).err, /^CAPSULE_UNKNOWN /m);
  assert.match((await home.run("call", "acme.greet", "greet", "{}")).err, /^CALL_CAPABILITY_UNAVAILABLE /m);
  await node.kill("SIGTERM");
  const { entries } = await home.json<{ entries: Entry[] }>("quarantine", "list");
  assert.deepEqual(
    entries.map(({ id, version, reasons }) => [id, version, reasons[0]?.code]),
    [["acme.greeter", "0.1.0", "IMAGE_HASH_MISMATCH"]],
  );
});

test("a capsule that strangers signed names their key, and what it says to do next helps", async () => {
  await using home = new Home();
  await using stranger = new Home();
  const dir = join(home.dir, "greeter");
  await home.run("capsule", "new", "acme.greeter", "--dir", dir);
  assert.equal((await stranger.run("capsule", "build", dir)).code, 0);
  const { signatures } = JSON.parse(readFileSync(join(dir, "receipt.stunir.json"), "utf8")) as {
    signatures: { key_id: string }[];
  };
  const foreign = signatures[0]?.key_id ?? "";
  const refused = await home.run("capsule", "verify", dir);
  assert.equal(refused.code, 5);
  const said = `${refused.out}${refused.err}`;
  const threshold = said.slice(said.indexOf("SIGNATURE_THRESHOLD_FOREIGN"));
  assert.ok(threshold.startsWith("SIGNATURE_THRESHOLD_FOREIGN") && threshold.includes(foreign), said);
  assert.match(threshold, /vnes capsule build /);
  assert.doesNotMatch(said, /vnes capsule sign /);
  // To sign beside the stranger does not help, and what it says does.
  assert.equal((await home.run("capsule", "sign", dir, "--role", "build")).code, 0);
  assert.equal((await home.run("capsule", "verify", dir)).code, 5);
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  assert.equal((await home.run("capsule", "verify", dir)).code, 0);
});

test("nothing is overwritten, and what cannot be is refused by name", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  assert.equal((await home.run("capsule", "new", "acme.greeter", "--dir", dir)).code, 0);
  assert.equal((await home.run("capsule", "new", "acme.greeter", "--dir", dir)).code, 7);
  assert.equal((await home.run("capsule", "new", "Acme", "--dir", `${dir}2`)).code, 2);
  assert.equal((await home.run("capsule", "verify", `${dir}3`)).code, 3);
  const copy = join(home.dir, "copy");
  cpSync(dir, copy, { recursive: true });
  appendFileSync(join(copy, "manifest.json"), "{");
  const broken = await home.run("capsule", "build", copy);
  assert.equal(broken.code, 2, broken.err);
  assert.match(broken.err, /^BUILD_MANIFEST_INVALID /m);
});

test("what a new version changes of a topic, or asks for in addition, is refused before it is installed", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  for (const args of [
    ["new", "acme.greeter", "--dir", dir],
    ["build", dir],
    ["install", dir],
  ])
    assert.equal((await home.run("capsule", ...args)).code, 0);
  const edit = (file: string, change: (document: Document) => void): void => {
    const document = JSON.parse(readFileSync(join(dir, file), "utf8")) as Document;
    change(document);
    writeFileSync(join(dir, file), JSON.stringify(document));
  };
  edit("manifest.json", (manifest) => {
    manifest.version = "0.2.0";
    manifest.state.owns.push("more/");
  });
  const topic = "spec/topics/acme.greeter.greeted.v1.json";
  const before = readFileSync(join(dir, topic), "utf8");
  edit(topic, ({ schemas: [schema] }) => schema?.required.push("tone"));
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const verified = await home.run("capsule", "verify", dir);
  assert.equal(verified.code, 4, verified.out);
  assert.match(verified.out, /^TOPIC_SCHEMA_NOT_ADDITIVE .*\/schemas\/0\/required/m);
  writeFileSync(join(dir, topic), before);
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const widened = await home.run("capsule", "install", dir);
  assert.equal(widened.code, 4);
  assert.match(widened.err, /ADMISSION_CAPABILITIES_WIDENED/);
  assert.equal((await home.run("capsule", "install", dir, "--allow-widened")).code, 0);
});

interface Document {
  version: string;
  readonly state: { readonly owns: string[] };
  readonly schemas: readonly { readonly required: string[] }[];
}

test("a key is made once, trusted here, and its secret is shown nowhere", async () => {
  await using home = new Home();
  const made = await home.run("key", "new", "reviewer", "--role", "review");
  assert.equal(made.code, 0, made.err);
  const again = await home.run("key", "new", "reviewer");
  assert.equal(again.code, 7);
  const { keys } = await home.json<{ keys: { name: string; state: string }[] }>("key", "list");
  assert.equal(keys.find(({ name }) => name === "reviewer")?.state, "trusted");
  const secret = readFileSync(join(home.dir, "config", "keys", "reviewer.key.json"), "utf8");
  const hidden = Object.entries(JSON.parse(secret) as Record<string, string>).filter(([name]) =>
    /private|secret|seed/.test(name),
  );
  assert.equal(hidden.length, 1);
  for (const { out, err } of [made, again]) assert.ok(!(out + err).includes(hidden[0]?.[1] ?? "?"));
});

test("a built-in capsule and a copy that somebody changed build with the libraries of the program, byte for byte again", async () => {
  await using home = new Home();
  const { code, out, err } = await home.run("capsule", "verify", "vnes.vpn.gateway", "--rebuild");
  assert.equal(code, 0, err);
  assert.match(out, /rebuilt with equal bytes/);
  const dir = join(home.dir, "gateway");
  cpSync(new URL("../../capsules/vpn/gateway", import.meta.url), dir, {
    recursive: true,
    filter: (path) => !/\/(test|node_modules)$/.test(path),
  });
  const manifest = readFileSync(join(dir, "manifest.json"), "utf8").replace(
    "vnes.vpn.gateway",
    "acme.gateway",
  );
  writeFileSync(join(dir, "manifest.json"), manifest);
  const { receipt } = await home.json<{ receipt: { toolchain: { bundled: object } } }>(
    "capsule",
    "build",
    dir,
  );
  assert.ok("@vnes/vpn-common/src/index.ts" in receipt.toolchain.bundled);
});

test("a capsule that decides policies is built, installed and bound to the gateway of a real node", async () => {
  await using home = new Home();
  const dir = join(home.dir, "classes");
  cpSync(new URL("../../capsules/policy/session/classes", import.meta.url), dir, { recursive: true });
  for (const args of [
    ["build", dir],
    ["verify", dir, "--rebuild"],
    ["install", dir],
  ]) {
    const { code, err } = await home.run("capsule", ...args);
    assert.equal(code, 0, `${args[0]}: ${err}`);
  }
  const boundTo = async (): Promise<unknown> => {
    const { state, requires } = await home.json<{
      state: string;
      requires: { requirement: string; provider: string | null }[];
    }>("capsule", "inspect", "vnes.vpn.gateway");
    const needed = requires.find(({ requirement }) => requirement.startsWith("session_policy"));
    return [state, needed?.provider];
  };
  // Whoever decides for every client of a gateway is named by the operator.
  const first = await home.boot("--unconfined-dev");
  assert.deepEqual(await boundTo(), ["active", null]);
  await first.kill("SIGTERM");
  const file = join(home.dir, "config", "policy.json");
  const policy = JSON.parse(readFileSync(file, "utf8")) as { access: object[] };
  policy.access.push({ name: "session_policy", to: ["vnes.vpn.gateway"] });
  writeFileSync(file, JSON.stringify(policy));
  await home.boot("--unconfined-dev");
  assert.deepEqual(await boundTo(), ["active", "example.session_classes"]);
  const input = {
    peer: `${"A".repeat(43)}=`,
    name: "",
    policy: { sessionTtlMs: 1000, transportLossTtlMs: 100, maxSwitchesPerMinute: 1 },
  };
  const { value } = await home.json<{ value: unknown }>(
    "call",
    "session_policy",
    "session",
    JSON.stringify(input),
  );
  assert.deepEqual(value, { policy: {}, reason: "no class" });
});

test("a capsule that is down says on its page why, and what to do about it", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  assert.equal((await home.run("capsule", "new", "acme.greeter", "--dir", dir)).code, 0);
  const file = join(dir, "manifest.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { capabilities: { requires: string[] } };
  manifest.capabilities.requires = ["acme.gone@^1"];
  writeFileSync(file, JSON.stringify(manifest));
  assert.equal((await home.run("capsule", "build", dir)).code, 0);
  const node = await home.boot("--unconfined-dev", "--capsules", dir);
  const { out } = await home.run("capsule", "inspect", "acme.greeter");
  assert.match(out, /^methods +acme\.greeter\.greet$/m);
  assert.match(out, /^BINDING_CAPABILITY_MISSING {2}acme\.greeter requires acme\.gone@\^1/m);
  assert.match(out, /^ {2}next: install a capsule that provides acme\.gone@\^1/m);
  const shown = await home.json<{ problems: readonly object[] }>(
    "capsule",
    "inspect",
    "vnes.core.observability",
  );
  assert.deepEqual(shown.problems, []);
  await node.kill("SIGTERM");
});
