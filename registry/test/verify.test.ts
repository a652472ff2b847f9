import assert from "node:assert/strict";
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Manifest, Receipt, TrustDocument } from "@vnes/schemas";
import { type Authority, buildCapsule, openAuthority, signCapsule, verifyCapsule } from "@vnes/registry";
import { addSignature } from "../src/make-receipt.ts";
import { CORE, scratch, write, writeCapsule } from "./scratch.ts";

interface Setting {
  readonly dir: string;
  readonly capsule: string;
  readonly authority: Authority;
  /** Codes and files of all reasons against the capsule as it is on disk now; empty when verified. */
  readonly against: (change?: {
    readonly trust?: TrustDocument;
    readonly now?: Date;
  }) => Promise<readonly string[]>;
  readonly edit: (change: (receipt: Receipt) => Receipt) => void;
}

async function built(t: TestContext, change: Partial<Manifest> = {}): Promise<Setting> {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"), change);
  await buildCapsule(capsule, { authority });
  const receipt = join(capsule, "receipt.stunir.json");
  return {
    dir,
    capsule,
    authority,
    async against(options = {}) {
      const { verdict } = await verifyCapsule(capsule, {
        trust: authority.trust(),
        policy: authority.policy,
        ...options,
      });
      if (verdict.kind === "verified") return [];
      return verdict.reasons.map(({ code, file }) => `${code} ${file}`);
    },
    edit(edit) {
      writeFileSync(receipt, JSON.stringify(edit(JSON.parse(readFileSync(receipt, "utf8")) as Receipt)));
    },
  };
}

const RECEIPT = "receipt.stunir.json";

test("what was built here is verified here, for the user's tiers and for the built-in ones", async (t) => {
  assert.deepEqual(await (await built(t)).against(), []);
  assert.deepEqual(await (await built(t, CORE)).against(), []);
});

test("one flipped byte anywhere is a mismatch that names the file", async (t) => {
  const { capsule, against } = await built(t);
  for (const file of ["impl/main.js", "src/main.ts", "spec/logic.md"]) {
    const bytes = readFileSync(join(capsule, file));
    const flipped = Buffer.from(bytes);
    flipped[3] = (flipped[3] ?? 0) ^ 0x20;
    writeFileSync(join(capsule, file), flipped);
    assert.ok((await against()).includes(`RECEIPT_HASH_MISMATCH ${file}`), file);
    writeFileSync(join(capsule, file), bytes);
  }
  assert.deepEqual(await against(), []);
});

test("a file more, a file less, an executable bit and two files swapped are each found", async (t) => {
  const { capsule, against } = await built(t);
  write(capsule, { "impl/more.js": "" });
  assert.ok((await against()).includes("RECEIPT_FILE_EXTRA impl/more.js"));
  rmSync(join(capsule, "impl/more.js"));
  chmodSync(join(capsule, "impl/main.js"), 0o755);
  assert.ok((await against()).includes(`RECEIPT_PART_MISMATCH ${RECEIPT}`));
  chmodSync(join(capsule, "impl/main.js"), 0o644);
  renameSync(join(capsule, "src/main.ts"), join(capsule, "src/x.ts"));
  renameSync(join(capsule, "src/step.ts"), join(capsule, "src/main.ts"));
  renameSync(join(capsule, "src/x.ts"), join(capsule, "src/step.ts"));
  const swapped = await against();
  assert.ok(swapped.includes("RECEIPT_HASH_MISMATCH src/main.ts"));
  assert.ok(swapped.includes("RECEIPT_HASH_MISMATCH src/step.ts"));
  rmSync(join(capsule, "src/step.ts"));
  assert.ok((await against()).includes("RECEIPT_FILE_MISSING src/step.ts"));
});

test("a receipt that is gone, of another capsule, or edited to fit what was changed does not help", async (t) => {
  const { dir, capsule, authority, against, edit } = await built(t);
  edit((receipt) => ({ ...receipt, timestamp: new Date(0).toISOString() }));
  assert.ok((await against()).includes(`SIGNATURE_INVALID ${RECEIPT}`));
  const other = writeCapsule(join(dir, "other"), { id: "org.example.other" });
  await buildCapsule(other, { authority });
  writeFileSync(join(capsule, RECEIPT), readFileSync(join(other, RECEIPT)));
  assert.ok((await against()).includes(`RECEIPT_FOR_OTHER_CAPSULE ${RECEIPT}`));
  rmSync(join(capsule, RECEIPT));
  assert.ok((await against()).includes(`RECEIPT_MISSING ${RECEIPT}`));
});

test("a signature counts as canonical JSON, however the receipt is laid out", async (t) => {
  const { capsule, against, edit } = await built(t);
  edit((receipt) => Object.fromEntries(Object.entries(receipt).reverse()) as unknown as Receipt);
  assert.deepEqual(await against(), []);
  const text = readFileSync(join(capsule, RECEIPT), "utf8");
  writeFileSync(join(capsule, RECEIPT), text.replace('"version":', '"version":"0","version":'));
  assert.notDeepEqual(await against(), []);
});

test("a signature by a stranger, or by a friend's key over another capsule, is refused", async (t) => {
  const { dir, capsule, authority, against, edit } = await built(t);
  const stranger = await openAuthority(join(dir, "stranger"));
  await buildCapsule(capsule, { authority: stranger });
  assert.deepEqual(await against(), [
    `SIGNATURE_KEY_UNKNOWN ${RECEIPT}`,
    `SIGNATURE_THRESHOLD_FOREIGN ${RECEIPT}`,
  ]);
  // The stranger names a key that is trusted.
  const trusted = (await authority.keys.find("build")).keyId;
  edit((receipt) => {
    const signatures = receipt.signatures.map((one) => ({ ...one, key_id: trusted }));
    return { ...receipt, signatures, signature: { ...receipt.signature, key_id: trusted } };
  });
  assert.deepEqual(await against(), [`SIGNATURE_INVALID ${RECEIPT}`, `SIGNATURE_THRESHOLD ${RECEIPT}`]);
});

test("a revoked key's signatures count no longer, also those from before", async (t) => {
  const { authority, against } = await built(t);
  const key = await authority.keys.find("build");
  await authority.revokeKey(key.keyId, "the laptop was stolen");
  assert.deepEqual(await against(), [`SIGNATURE_KEY_REVOKED ${RECEIPT}`, `SIGNATURE_THRESHOLD ${RECEIPT}`]);
});

test("a key counts from the first day it is valid until the last", async (t) => {
  const { authority, against } = await built(t);
  const key = authority.trust().keys.find(({ namespaces }) => namespaces.includes("*"));
  assert.ok(key);
  const [from, until] = [Date.parse(key.valid_from), Date.parse(key.valid_until)];
  assert.deepEqual(await against({ now: new Date(from) }), []);
  assert.deepEqual(await against({ now: new Date(until - 1) }), []);
  assert.ok((await against({ now: new Date(until) })).includes(`SIGNATURE_KEY_EXPIRED ${RECEIPT}`));
  assert.ok((await against({ now: new Date(from - 1) })).includes(`SIGNATURE_KEY_NOT_YET_VALID ${RECEIPT}`));
});

test("the user's key does not reach the core tier or the system zone", async (t) => {
  const { against } = await built(t, { ...CORE, id: "org.example.core" });
  const reasons = await against();
  for (const code of ["SIGNATURE_KEY_TIER", "SIGNATURE_KEY_ZONE", "SIGNATURE_THRESHOLD"]) {
    assert.ok(reasons.includes(`${code} ${RECEIPT}`), `${code} in ${reasons.join()}`);
  }
  assert.ok(reasons.includes("POLICY_TIER_FORBIDDEN manifest.json"));
  assert.ok(reasons.includes("POLICY_ZONE_FORBIDDEN manifest.json"));
});

test("a core capsule needs both signatures, and one key does not stand in for two roles", async (t) => {
  const { capsule, authority, against, edit } = await built(t, CORE);
  edit((receipt) => ({ ...receipt, signatures: receipt.signatures.filter(({ role }) => role === "build") }));
  assert.deepEqual(await against(), [`SIGNATURE_THRESHOLD ${RECEIPT}`]);
  await assert.rejects(signCapsule(capsule, "deployment", "builtin-build", authority.keys), {
    code: "KEY_ROLE_MISSING",
  });
  let current: Receipt | undefined;
  edit((receipt) => (current = receipt));
  const forged = await addSignature(
    current as unknown as Receipt,
    "deployment",
    "builtin-build",
    authority.keys,
  );
  edit(() => forged);
  assert.deepEqual(await against(), [`SIGNATURE_KEY_ROLE ${RECEIPT}`, `SIGNATURE_THRESHOLD ${RECEIPT}`]);
});

test("a key that was added may sign what it was added for; a revoked signature beside it still speaks against", async (t) => {
  const { capsule, authority, against } = await built(t, { id: "com.friend.tool" });
  const friend = await authority.keys.createKey("friend", ["build"]);
  await authority.revokeKey((await authority.keys.find("build")).keyId, "rotated");
  await signCapsule(capsule, "build", "friend", authority.keys);
  assert.ok((await against()).includes(`SIGNATURE_KEY_UNKNOWN ${RECEIPT}`));
  const scope = {
    namespaces: ["com.friend.*"],
    tiers: ["local"],
    zones: ["tenant"],
    roles: ["build"],
  } as const;
  await authority.addKey(friend, scope);
  assert.deepEqual(await against(), [`SIGNATURE_KEY_REVOKED ${RECEIPT}`]);
});

test("a module whose memory has no maximum is refused at admission, by file, with what to type", async (t) => {
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  // `(memory 1)`: a module of one section.
  const module = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1]);
  const capsule = writeCapsule(join(dir, "capsule"), { interfaces: { wasm: "impl/main.wasm" } });
  rmSync(join(capsule, "src"), { recursive: true });
  write(capsule, { "impl/main.wasm": module });
  await buildCapsule(capsule, { authority });
  const { verdict } = await verifyCapsule(capsule, { trust: authority.trust(), policy: authority.policy });
  const reasons = verdict.kind === "quarantined" ? verdict.reasons : [];
  assert.deepEqual(
    reasons.map(({ code, file }) => `${code} ${file}`),
    [
      "WASM_MEMORY_UNBOUNDED impl/main.wasm",
      "WASM_EXPORT_MISSING impl/main.wasm",
      "WASM_EXPORT_MISSING impl/main.wasm",
    ],
  );
  assert.match(reasons[0]?.remedy ?? "", /--max-memory/);
});
