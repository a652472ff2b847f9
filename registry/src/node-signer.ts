/** The node's own key, in the node's directory: made at its first boot, readable by its owner alone, never handed out. */
import { sign } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Signer } from "@vnes/kernel";
import { loadKey } from "./key-file.ts";
import { KeyStore } from "./key-store.ts";

const NAME = "node";

/** `dir`: keys of the node. Rejects with `KEY_FILE_*` and `REGISTRY_WRITE_FAILED`. */
export async function openNodeSigner(dir: string): Promise<Signer> {
  const file = join(resolve(dir), `${NAME}.key.json`);
  // No role: what it signs is the node's word, and vouches for no capsule.
  if (!existsSync(file)) await new KeyStore(dir).createKey(NAME, []);
  const { info, privateKey } = loadKey(file);
  return {
    keyId: info.keyId,
    publicKey: info.publicKey,
    sign: async (bytes) => sign(null, bytes, privateKey).toString("base64"),
  };
}
