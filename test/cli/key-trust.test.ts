/** Capsules that somebody else built: their key is trusted for a namespace, and taken back. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Home } from "./vnes.ts";

interface Trust {
  readonly version: number;
  readonly keys: readonly { readonly key_id: string; readonly tiers: string[]; readonly zones: string[] }[];
}

const trustFile = (home: Home): string => join(home.dir, "config", "trust.json");
const trustOf = (home: Home): Trust => JSON.parse(readFileSync(trustFile(home), "utf8")) as Trust;

/** The file a stranger sends, with the id of the key in it. */
async function sent(stranger: Home, key = "build"): Promise<{ readonly file: string; readonly id: string }> {
  const { code, out, err } = await stranger.run("key", "export", key);
  assert.equal(code, 0, err);
  const file = join(stranger.dir, `${key}.pub.json`);
  writeFileSync(file, out);
  return { file, id: (JSON.parse(out) as { key_id: string }).key_id };
}

/** Runs and expects an exit code. */
async function ran(home: Home, expected: number, ...args: string[]): Promise<string> {
  const { code, out, err } = await home.run(...args);
  assert.equal(code, expected, `${args.join(" ")}: ${out}${err}`);
  return out + err;
}

test("a stranger's capsule runs once their key is trusted for it, and is in quarantine once it is not", async () => {
  await using home = new Home();
  await using stranger = new Home();
  const dir = join(home.dir, "greeter");
  await ran(home, 0, "capsule", "new", "acme.greeter", "--dir", dir);
  await ran(stranger, 0, "capsule", "build", dir);
  const { file, id } = await sent(stranger);

  const refused = await ran(home, 5, "capsule", "verify", dir);
  const threshold = refused.slice(refused.indexOf("SIGNATURE_THRESHOLD_FOREIGN"));
  assert.match(threshold, /vnes key trust <file> --role build --namespace acme\.greeter/);
  await ran(home, 0, "key", "trust", file, "--namespace", "other.*");
  assert.match(await ran(home, 5, "capsule", "verify", dir), /^SIGNATURE_KEY_NAMESPACE /m);
  const older = join(home.dir, "older.json");
  copyFileSync(trustFile(home), older);
  assert.match(
    await ran(home, 7, "key", "trust", file, "--namespace", "acme.*"),
    /^KEY_TRUSTED .*other\.\*/m,
  );
  const trusted = await ran(home, 0, "key", "trust", file, "--namespace", "acme.*", "--replace");
  assert.match(trusted, new RegExp(`^key +${id}$`, "m"));
  await ran(home, 0, "capsule", "verify", dir);
  await ran(home, 0, "capsule", "install", dir);
  const listed = new RegExp(
    `^${id} +\\(foreign\\) +build +trusted +acme\\.\\* +tenant session ephemeral$`,
    "m",
  );
  assert.match(await ran(home, 0, "key", "list"), listed);
  const node = await home.boot("--unconfined-dev");
  await ran(home, 0, "call", "acme.greeter", "greet", '{"name":"Ada"}');
  await node.kill("SIGTERM");

  await ran(home, 0, "key", "distrust", id, "--reason", "laptop lost");
  const { version } = trustOf(home);
  assert.match(await ran(home, 5, "capsule", "verify", dir), /^SIGNATURE_KEY_REVOKED .*laptop lost/m);
  await home.boot("--unconfined-dev");
  assert.match(await ran(home, 4, "capsule", "inspect", "acme.greeter"), /SIGNATURE_KEY_REVOKED/);
  // Once is for ever: neither again, nor by way of the document from before.
  const again = ["key", "trust", file, "--namespace", "acme.*", "--replace"];
  assert.match(await ran(home, 4, ...again), /^KEY_REVOKED .*laptop lost/m);
  await ran(home, 0, "key", "distrust", id, "--reason", "other");
  assert.equal(trustOf(home).version, version);
  copyFileSync(older, trustFile(home));
  assert.match(await ran(home, 5, "capsule", "verify", dir), /TRUST_ROLLED_BACK/);
});

test("what is not said is not given: no namespace is no trust, and system and core are named or not there", async () => {
  await using home = new Home();
  await using stranger = new Home();
  const { file, id } = await sent(stranger);
  await ran(home, 0, "key", "list");
  const before = readFileSync(trustFile(home), "utf8");
  assert.match(await ran(home, 2, "key", "trust", file), /^CLI_USAGE .*namespace/m);
  assert.match(
    await ran(home, 2, "key", "trust", file, "--namespace", "Acme.*"),
    /^CLI_USAGE +--namespace takes/m,
  );
  await ran(home, 2, "key", "trust", file, "--namespace", "acme.*", "--zone", "all");
  assert.match(
    await ran(home, 2, "key", "new", "mine", "--namespace", "Acme"),
    /^CLI_USAGE +--namespace takes/m,
  );
  assert.doesNotMatch(await ran(home, 0, "key", "list"), /mine/);
  assert.equal(readFileSync(trustFile(home), "utf8"), before);

  const entry = (): Trust["keys"][number] | undefined =>
    trustOf(home).keys.find(({ key_id: key }) => key === id);
  await ran(home, 0, "key", "trust", file, "--namespace", "acme.*");
  assert.deepEqual(entry()?.tiers, ["extension", "experimental", "local"]);
  assert.deepEqual(entry()?.zones, ["tenant", "session", "ephemeral"]);
  const zones = ["--zone", "tenant", "--zone", "system"];
  await ran(home, 0, "key", "trust", file, "--namespace", "acme.*", ...zones, "--replace");
  assert.deepEqual(entry()?.zones, ["tenant", "system"]);
});

test("what is no stranger's public key is refused by name, and the keys of this machine stay what they are", async () => {
  await using home = new Home();
  await using stranger = new Home();
  const namespace = ["--namespace", "acme.*"];
  await sent(stranger);
  const secret = join(stranger.dir, "config", "keys", "build.key.json");
  assert.match(
    await ran(home, 2, "key", "trust", secret, ...namespace),
    /^KEY_PUBLIC_FILE_BROKEN .*private key/m,
  );
  for (const file of [join(home.dir, "none"), home.dir, "/dev/zero"])
    assert.match(await ran(home, 2, "key", "trust", file, ...namespace), /^KEY_PUBLIC_FILE_UNUSABLE /m);
  const own = await sent(home);
  assert.match(await ran(home, 7, "key", "trust", own.file, ...namespace), /^KEY_OWN .*build/m);
  for (const key of ["build", "builtin-build", "root", own.id])
    assert.match(await ran(home, 7, "key", "distrust", key), /^KEY_NEEDED /m);
  assert.match(await ran(home, 3, "key", "distrust", "key_0123456789abcdef"), /^KEY_NOT_FOUND /m);
  await ran(home, 0, "key", "new", "spare");
  await ran(home, 0, "key", "distrust", "spare");
  assert.match(await ran(home, 0, "key", "list"), /spare +build +revoked/);

  const config = join(home.dir, "elsewhere.json");
  const trust = trustFile(stranger);
  writeFileSync(config, JSON.stringify({ schema_version: "v1", node: "local", trust }));
  const { file } = await sent(stranger);
  const elsewhere = await ran(home, 4, "key", "trust", file, ...namespace, "--config", config);
  assert.match(elsewhere, /^TRUST_ELSEWHERE /m);
  // A name that leads nowhere is not taken for this machine's own document.
  const nowhere = { schema_version: "v1", node: "local", trust: join(stranger.dir, "config", "fleet.json") };
  writeFileSync(config, JSON.stringify(nowhere));
  assert.match(await ran(home, 2, "key", "list", "--config", config), /^TRUST_FILE_MISSING /m);
});

test("a capsule of a zone that the build key may not sign for: sign says so, and what is said next leads out", async () => {
  await using home = new Home();
  const dir = join(home.dir, "greeter");
  await ran(home, 0, "capsule", "new", "acme.greeter", "--dir", dir);
  const file = join(dir, "manifest.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { security?: object };
  writeFileSync(
    file,
    JSON.stringify({ ...manifest, security: { ...manifest.security, trust_zone: "system" } }),
  );
  await ran(home, 0, "capsule", "build", dir);
  const next =
    /^ +next: .*vnes key new <name> --namespace acme\.greeter --zone system; then vnes capsule build \S+ --key <name>$/m;
  for (const [expected, command] of [
    [5, "verify"],
    [0, "sign"],
  ] as const) {
    const said = await ran(home, expected, "capsule", command, dir);
    assert.match(said, /^SIGNATURE_KEY_ZONE /m, command);
    assert.match(said, next, command);
    assert.doesNotMatch(said, /vnes capsule sign/, command);
  }
  // As it is told, with the names filled in.
  const made = await ran(home, 0, "key", "new", "sys", "--namespace", "acme.greeter", "--zone", "system");
  assert.match(made, /^zones +system$/m);
  await ran(home, 0, "capsule", "build", dir, "--key", "sys");
  const policy = join(home.dir, "config", "policy.json");
  assert.match(await ran(home, 4, "capsule", "verify", dir), /^POLICY_ZONE_FORBIDDEN /m);
  const { admission, ...rest } = JSON.parse(readFileSync(policy, "utf8")) as { admission: object[] };
  const rule = { ...admission[1], match: "acme.greeter", zones: ["system"] };
  writeFileSync(policy, JSON.stringify({ ...rest, admission: [rule, ...admission] }));
  await ran(home, 0, "capsule", "verify", dir);
  await ran(home, 0, "key", "new", "eye", "--role", "review");
  assert.match(await ran(home, 4, "capsule", "build", dir, "--key", "eye"), /^KEY_ROLE_MISSING /m);
});
