import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KeyStore, publicKeyDocument, readPublicKey } from "@vnes/registry";
import { isVnesError } from "@vnes/schemas";
import { scratch } from "./scratch.ts";

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const reasonOf = (bytes: Uint8Array): string => {
  try {
    readPublicKey("f", bytes);
  } catch (error) {
    assert.ok(isVnesError(error) && error.code === "KEY_PUBLIC_FILE_BROKEN", String(error));
    return error.message;
  }
  return "";
};

test("the public half of a key is what its owner's file says, and nothing of the other half is in it", async (t) => {
  const dir = join(scratch(t), "keys");
  const key = await new KeyStore(dir).createKey("mine", ["build"]);
  const document = publicKeyDocument(key);
  const { keyId, publicKey } = key;
  assert.deepEqual(readPublicKey("f", bytesOf(document)), { keyId, publicKey });
  const secret = readFileSync(join(dir, "mine.key.json"));
  assert.match(reasonOf(secret), /private key/);
  const { private_key_pkcs8: hidden } = JSON.parse(secret.toString()) as { private_key_pkcs8: string };
  assert.ok(!reasonOf(secret).includes(hidden) && !JSON.stringify(document).includes(hidden));
});

test("a key under another id, or written in another way, is refused", async (t) => {
  const keys = new KeyStore(join(scratch(t), "keys"));
  const document = publicKeyDocument(await keys.createKey("mine", ["build"]));
  const other = publicKeyDocument(await keys.createKey("other", ["build"]));
  assert.match(reasonOf(bytesOf({ ...document, key_id: other.key_id })), new RegExp(document.key_id));
  // The last character before the sign of the end has two bits that are in no byte.
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const last = document.public_key.at(-2) ?? "";
  const same = `${document.public_key.slice(0, -2)}${letters[letters.indexOf(last) + 1]}=`;
  assert.deepEqual(Buffer.from(same, "base64"), Buffer.from(document.public_key, "base64"));
  assert.match(reasonOf(bytesOf({ ...document, public_key: same })), /base64/);
  for (const broken of ["", "{", "[]", '{"schema_version":"v1"}'])
    assert.notEqual(reasonOf(Buffer.from(broken)), "");
});
