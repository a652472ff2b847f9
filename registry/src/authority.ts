/**
 * The local authority: the keys made on this machine, the trust document their root signs, and the policy beside it.
 * It is created at first use; from then on every change is a new, higher version of the document.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { trustSigningBytes } from "@vnes/kernel";
import { parsePolicy, type Policy, type SignatureRole, type TrustDocument } from "@vnes/schemas";
import { defaultPolicy } from "./default-policy.ts";
import { BUILTIN_NAMESPACE, defaultTrust, type KeyScope, trustKey } from "./default-trust.ts";
import { codeOf, makeDirectory, replaceFile } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import type { KeyInfo, KeyRole, PublicKey } from "./key-file.ts";
import { KeyStore } from "./key-store.ts";
import { withLock } from "./lock.ts";
import { TrustStore } from "./trust-store.ts";

const POLICY_FILE = "policy.json";
const TRUST_FILE = "trust.json";
const ROOT_KEY = "root";
const KEYS = {
  builtin: { build: "builtin-build", deployment: "builtin-deployment" },
  user: { build: "build" },
} as const;

export interface Authority {
  readonly configDir: string;
  readonly keys: KeyStore;
  readonly policyFile: string;
  readonly trustFile: string;
  readonly policy: Policy;
  /** The newest version, verified. */
  trust(): TrustDocument;
  /** The local key that signs capsule `id` in this role; null when there is none. */
  signer(id: string, role: SignatureRole): Promise<KeyInfo | null>;
  /** The name of the key with this id, when it is one that is signed with here without anybody naming it. */
  ownUse(keyId: string): Promise<string | null>;
  /** Lets a key sign; resolves to the new document. */
  addKey(key: PublicKey, scope: KeyScope): Promise<TrustDocument>;
  /** The same for a key made elsewhere. Rejects with `KEY_OWN`, `KEY_REVOKED`, and, unless it is to be replaced, `KEY_TRUSTED`. */
  addForeignKey(key: PublicKey, scope: KeyScope, replace?: boolean): Promise<TrustDocument>;
  /** What it signed counts no longer, whenever it was signed; once is for ever. Rejects with `KEY_NOT_FOUND`. */
  revokeKey(keyId: string, reason: string): Promise<TrustDocument>;
}

/** `now` is for the dates in what is created. */
export async function openAuthority(
  configDir: string,
  now: () => Date = () => new Date(),
): Promise<Authority> {
  const dir = resolve(configDir);
  makeDirectory(dir, 0o700);
  const keys = new KeyStore(join(dir, "keys"));
  const store = new TrustStore(join(dir, TRUST_FILE));
  const policyFile = join(dir, POLICY_FILE);
  if (store.read() === null || !existsSync(policyFile)) {
    await withLock(dir, async () => {
      if (store.read() === null) await establish(keys, store, now());
      if (!existsSync(policyFile)) {
        replaceFile(policyFile, `${JSON.stringify(defaultPolicy(), null, 2)}\n`, 0o644);
      }
    });
  }
  return new LocalAuthority(dir, keys, store, loadPolicy(policyFile), now);
}

/** For a look: what is there already, or null; nothing is made, and what is seen is not kept. */
export function findAuthority(configDir: string): Authority | null {
  const dir = resolve(configDir);
  const store = new TrustStore(join(dir, TRUST_FILE), { looksOnly: true });
  const policyFile = join(dir, POLICY_FILE);
  if (store.read() === null || !existsSync(policyFile)) return null;
  return new LocalAuthority(
    dir,
    new KeyStore(join(dir, "keys")),
    store,
    loadPolicy(policyFile),
    () => new Date(),
  );
}

/** Rejects with `POLICY_BROKEN`. */
export function loadPolicy(file: string): Policy {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw registryErrors.create("POLICY_BROKEN", { file, pointer: "/", reason: codeOf(cause) }, cause);
  }
  const parsed = parsePolicy(bytes);
  if (parsed.ok) return parsed.value;
  const { pointer, message } = parsed.problems[0] ?? { pointer: "", message: "it cannot be understood" };
  throw registryErrors.create("POLICY_BROKEN", { file, pointer: pointer || "/", reason: message });
}

async function establish(keys: KeyStore, store: TrustStore, now: Date): Promise<void> {
  const root = await ensureKey(keys, ROOT_KEY, "root", now);
  const trust = defaultTrust(
    {
      builtinBuild: await ensureKey(keys, KEYS.builtin.build, "build", now),
      builtinDeployment: await ensureKey(keys, KEYS.builtin.deployment, "deployment", now),
      userBuild: await ensureKey(keys, KEYS.user.build, "build", now),
    },
    now,
  );
  store.pin({ key_id: root.keyId, public_key: root.publicKey });
  store.write(await signTrust(keys, trust));
}

/** A set-up that was interrupted goes on with the keys it had made. */
async function ensureKey(keys: KeyStore, name: string, role: KeyRole, now: Date): Promise<KeyInfo> {
  const there = (await keys.list()).find((key) => key.name === name);
  return there ?? (await keys.createKey(name, [role], now));
}

async function signTrust(
  keys: KeyStore,
  document: Omit<TrustDocument, "signatures">,
): Promise<TrustDocument> {
  const unsigned: TrustDocument = { ...document, signatures: [] };
  const root = await keys.find(ROOT_KEY);
  const value = await keys.sign(ROOT_KEY, trustSigningBytes(unsigned));
  return { ...unsigned, signatures: [{ key_id: root.keyId, value }] };
}

class LocalAuthority implements Authority {
  readonly configDir: string;
  readonly keys: KeyStore;
  readonly policyFile: string;
  readonly trustFile: string;
  readonly policy: Policy;
  readonly #store: TrustStore;
  readonly #now: () => Date;

  constructor(configDir: string, keys: KeyStore, store: TrustStore, policy: Policy, now: () => Date) {
    this.configDir = configDir;
    this.keys = keys;
    this.policyFile = join(configDir, POLICY_FILE);
    this.trustFile = store.file;
    this.policy = policy;
    this.#store = store;
    this.#now = now;
  }

  trust(): TrustDocument {
    const document = this.#store.read();
    if (document === null) throw new Error("an authority is open without a trust document");
    return document;
  }

  async signer(id: string, role: SignatureRole): Promise<KeyInfo | null> {
    const names: { readonly [role in SignatureRole]?: string } = id.startsWith(BUILTIN_NAMESPACE.slice(0, -1))
      ? KEYS.builtin
      : KEYS.user;
    const name = names[role];
    return name === undefined ? null : await this.keys.find(name);
  }

  async ownUse(keyId: string): Promise<string | null> {
    for (const name of [ROOT_KEY, ...Object.values(KEYS.builtin), ...Object.values(KEYS.user)]) {
      if ((await this.keys.find(name)).keyId === keyId) return name;
    }
    return null;
  }

  async addKey(key: PublicKey, scope: KeyScope): Promise<TrustDocument> {
    return await this.#change((trust) => this.#withKey(trust, key, scope));
  }

  async addForeignKey(key: PublicKey, scope: KeyScope, replace: boolean = false): Promise<TrustDocument> {
    const { keyId } = key;
    const own = (await this.keys.list()).find((one) => one.keyId === keyId);
    if (own !== undefined) throw registryErrors.create("KEY_OWN", { key: keyId, name: own.name });
    return await this.#change((trust) => {
      const before = trust.keys.find(({ key_id: id }) => id === keyId);
      if (before?.revoked !== undefined) {
        const { at: when, reason } = before.revoked;
        throw registryErrors.create("KEY_REVOKED", { key: keyId, when, reason });
      }
      if (before !== undefined && !replace) {
        throw registryErrors.create("KEY_TRUSTED", { key: keyId, namespaces: before.namespaces.join(" ") });
      }
      return this.#withKey(trust, key, scope);
    });
  }

  #withKey(trust: TrustDocument, key: PublicKey, scope: KeyScope): TrustDocument {
    const others = trust.keys.filter(({ key_id: id }) => id !== key.keyId);
    const before = trust.keys.find(({ key_id: id }) => id === key.keyId);
    // A revoked key does not come back by being added again.
    const revoked = before?.revoked === undefined ? {} : { revoked: before.revoked };
    return { ...trust, keys: [...others, { ...trustKey(key, scope, this.#now()), ...revoked }] };
  }

  async revokeKey(keyId: string, reason: string): Promise<TrustDocument> {
    return await this.#change((trust) => {
      const before = trust.keys.find((key) => key.key_id === keyId);
      if (before === undefined) {
        throw registryErrors.create("KEY_NOT_FOUND", { key: keyId, dir: this.trustFile });
      }
      if (before.revoked !== undefined) return trust;
      const revoked = { at: this.#now().toISOString(), reason };
      return { ...trust, keys: trust.keys.map((key) => (key.key_id === keyId ? { ...key, revoked } : key)) };
    });
  }

  async #change(edit: (trust: TrustDocument) => TrustDocument): Promise<TrustDocument> {
    return await withLock(this.configDir, async () => {
      const before = this.trust();
      const after = edit(before);
      if (after === before) return before;
      const { signatures: _, ...edited } = after;
      const version = edited.version + 1;
      const document = await signTrust(this.keys, {
        ...edited,
        version,
        issued_at: this.#now().toISOString(),
      });
      this.#store.write(document);
      return document;
    });
  }
}
