import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { test } from "node:test";
import { isVnesError, parsePolicy, parseTrust } from "@vnes/schemas";
import { defaultPolicy, KeyStore, loadTrust, nodeVerifier, openAuthority } from "@vnes/registry";
import { scratch } from "./scratch.ts";

const code = (expected: string) => (error: unknown) => {
  assert.ok(isVnesError(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

test("a key signs what its public half verifies, and only that", async (t) => {
  const keys = new KeyStore(join(scratch(t), "keys"));
  const key = await keys.createKey("mine", ["review"]);
  assert.match(key.keyId, /^key_[0-9a-f]{16}$/);
  const message = Buffer.from("hello");
  const signature = await keys.sign(key.keyId, message);
  assert.equal(nodeVerifier.verify(key.publicKey, message, signature), true);
  assert.equal(nodeVerifier.verify(key.publicKey, Buffer.from("hellp"), signature), false);
  assert.equal(await keys.sign("mine", message), signature);
  await assert.rejects(keys.sign("key_0000000000000000", message), code("KEY_NOT_FOUND"));
});

test("a malformed key or signature is false, never a throw", async (t) => {
  const keys = new KeyStore(join(scratch(t), "keys"));
  const key = await keys.createKey("mine", ["build"]);
  const message = Buffer.from("m");
  const good = await keys.sign("mine", message);
  for (const signature of [
    "",
    "A",
    good.slice(1),
    `${good}=`,
    `${good}\n`,
    good.replace("==", ""),
    "é".repeat(88),
  ]) {
    assert.equal(nodeVerifier.verify(key.publicKey, message, signature), false, signature);
  }
  for (const publicKey of ["", "AAAA", `${key.publicKey}=`, key.publicKey.replace("=", "")]) {
    assert.equal(nodeVerifier.verify(publicKey, message, good), false, publicKey);
  }
});

test("private keys are in files of mode 0600 and in nothing a key store gives out", async (t) => {
  const dir = join(scratch(t), "keys");
  const keys = new KeyStore(dir);
  await keys.createKey("mine", ["build"]);
  const file = join(dir, "mine.key.json");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  const secret = (JSON.parse(readFileSync(file, "utf8")) as { private_key_pkcs8: string }).private_key_pkcs8;
  const given = inspect([keys, await keys.list(), await keys.find("mine")], { depth: 9 });
  assert.ok(!given.includes(secret) && !JSON.stringify(await keys.list()).includes(secret));
  writeFileSync(file, readFileSync(file, "utf8").replace('"name"', "'name'"));
  await assert.rejects(keys.list(), (error: Error) => {
    assert.ok(!inspect(error, { depth: 9 }).includes(secret.slice(20, 40)));
    return code("KEY_FILE_BROKEN")(error);
  });
});

test("a key that others could read is refused, as is a directory that others could write", async (t) => {
  const dir = join(scratch(t), "keys");
  const keys = new KeyStore(dir);
  await keys.createKey("mine", ["build"]);
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(join(dir, "mine.key.json"), mode);
    await assert.rejects(keys.sign("mine", Buffer.from("")), code("KEY_FILE_PERMISSIONS"));
  }
  chmodSync(join(dir, "mine.key.json"), 0o600);
  chmodSync(dir, 0o770);
  await assert.rejects(keys.list(), code("KEY_FILE_PERMISSIONS"));
});

test("a key is never overwritten, and a name is no path", async (t) => {
  const keys = new KeyStore(join(scratch(t), "keys"));
  const { keyId } = await keys.createKey("mine", ["build"]);
  await assert.rejects(keys.createKey("mine", ["build"]), code("KEY_EXISTS"));
  assert.equal((await keys.find("mine")).keyId, keyId);
  for (const name of ["", "../x", "a/b", "A", "-a", "a".repeat(65)]) {
    await assert.rejects(keys.createKey(name, ["build"]), code("KEY_NAME_INVALID"));
  }
});

test("the first use makes root, keys, trust and policy; the second finds them as they were", async (t) => {
  const dir = join(scratch(t), "config");
  const first = await openAuthority(dir);
  assert.equal(first.trust().version, 1);
  assert.ok(parseTrust(readFileSync(first.trustFile)).ok);
  assert.ok(parsePolicy(readFileSync(first.policyFile)).ok);
  assert.deepEqual(JSON.parse(JSON.stringify(first.policy)), JSON.parse(JSON.stringify(defaultPolicy())));
  const second = await openAuthority(dir);
  assert.deepEqual(second.trust(), first.trust());
  assert.deepEqual(
    (await second.keys.list()).map(({ name, roles }) => `${name}: ${roles.join()}`),
    ["build: build", "builtin-build: build", "builtin-deployment: deployment", "root: root"],
  );
});

test("two that start at once share one authority", async (t) => {
  const dir = join(scratch(t), "config");
  const both = await Promise.all([openAuthority(dir), openAuthority(dir), openAuthority(dir)]);
  assert.equal(new Set(both.map((one) => JSON.stringify(one.trust()))).size, 1);
  assert.equal(readdirSync(join(dir, "keys")).length, 4);
});

test("revoking raises the version, and the document from before is refused as rolled back", async (t) => {
  const dir = join(scratch(t), "config");
  const authority = await openAuthority(dir);
  const key = await authority.signer("org.example.x", "build");
  assert.ok(key);
  copyFileSync(authority.trustFile, join(dir, "old.json"));
  const changed = await authority.revokeKey(key.keyId, "lost");
  assert.equal(changed.version, 2);
  assert.equal(changed.keys.find(({ key_id: id }) => id === key.keyId)?.revoked?.reason, "lost");
  assert.equal((await openAuthority(dir)).trust().version, 2);
  copyFileSync(join(dir, "old.json"), authority.trustFile);
  await assert.rejects(openAuthority(dir), (error: unknown) => {
    code("TRUST_DOCUMENT_REFUSED")(error);
    assert.match(String(error), /TRUST_ROLLED_BACK/);
    return true;
  });
});

test("a newer document that was only read counts as seen", async (t) => {
  const dir = scratch(t);
  const here = await openAuthority(join(dir, "here"));
  cpSync(join(dir, "here"), join(dir, "there"), { recursive: true });
  chmodSync(join(dir, "there/keys"), 0o700);
  const there = await openAuthority(join(dir, "there"));
  await there.revokeKey((await there.keys.find("build")).keyId, "lost");
  const old = readFileSync(here.trustFile);
  copyFileSync(there.trustFile, here.trustFile);
  assert.equal(here.trust().version, 2);
  writeFileSync(here.trustFile, old);
  assert.throws(() => here.trust(), code("TRUST_DOCUMENT_REFUSED"));
});

test("a revoked key does not come back by being added again", async (t) => {
  const authority = await openAuthority(join(scratch(t), "config"));
  const key = await authority.keys.find("build");
  await authority.revokeKey(key.keyId, "lost");
  const scope = { roles: ["build"], namespaces: ["*"], tiers: ["local"], zones: ["tenant"] } as const;
  const trust = await authority.addKey(key, scope);
  assert.ok(trust.keys.find(({ key_id: id }) => id === key.keyId)?.revoked);
});

test("a trust document changed by hand is refused, also when another key signed it", async (t) => {
  const dir = join(scratch(t), "config");
  const authority = await openAuthority(dir);
  const edited = JSON.parse(readFileSync(authority.trustFile, "utf8"));
  edited.version = 7;
  writeFileSync(authority.trustFile, JSON.stringify(edited));
  assert.throws(() => authority.trust(), code("TRUST_DOCUMENT_REFUSED"));
  const stranger = await openAuthority(join(scratch(t), "config"));
  copyFileSync(stranger.trustFile, authority.trustFile);
  assert.throws(() => authority.trust(), code("TRUST_DOCUMENT_REFUSED"));
});

test("a trust document or its pinned roots that are gone are not made anew", async (t) => {
  const dir = join(scratch(t), "config");
  const authority = await openAuthority(dir);
  copyFileSync(authority.trustFile, join(dir, "kept.json"));
  rmSync(authority.trustFile);
  await assert.rejects(openAuthority(dir), code("TRUST_DOCUMENT_MISSING"));
  copyFileSync(join(dir, "kept.json"), authority.trustFile);
  await openAuthority(dir);
  rmSync(join(dir, "trust-state.json"));
  await assert.rejects(openAuthority(dir), code("TRUST_STATE_BROKEN"));
});

test("a trust document goes by the name it was given, with its own pinned roots, and has to be there", async (t) => {
  const dir = scratch(t);
  const [fleet, other] = await Promise.all(["fleet", "other"].map((name) => openAuthority(join(dir, name))));
  assert.ok(fleet && other);
  const file = join(dir, "fleet.json");
  const how = { looksOnly: false };
  // One that lies beside it under the usual name is another one.
  copyFileSync(other.trustFile, join(dir, "trust.json"));
  copyFileSync(join(dir, "other/trust-state.json"), join(dir, "trust-state.json"));
  assert.throws(() => loadTrust(file, how), code("TRUST_FILE_MISSING"));
  copyFileSync(fleet.trustFile, file);
  assert.throws(() => loadTrust(file, how), code("TRUST_STATE_BROKEN"));
  copyFileSync(join(dir, "fleet/trust-state.json"), join(dir, "fleet-state.json"));
  assert.deepEqual(loadTrust(file, how), fleet.trust());
});

test("a set-up that died half way is finished with the keys it had made", async (t) => {
  const dir = join(scratch(t), "config");
  const keys = new KeyStore(join(dir, "keys"));
  const root = await keys.createKey("root", ["root"]);
  const authority = await openAuthority(dir);
  assert.equal(authority.trust().signatures[0]?.key_id, root.keyId);
});

test("the user's own capsules get the user's key, the built-in ones the built-in keys", async (t) => {
  const authority = await openAuthority(join(scratch(t), "config"));
  const name = async (id: string, role: "build" | "deployment" | "review") =>
    (await authority.signer(id, role))?.name ?? null;
  assert.equal(await name("vnes.vpn.session", "build"), "builtin-build");
  assert.equal(await name("vnes.vpn.session", "deployment"), "builtin-deployment");
  assert.equal(await name("vnesx.vpn", "build"), "build");
  assert.equal(await name("org.example", "deployment"), null);
  assert.equal(await name("org.example", "review"), null);
});
