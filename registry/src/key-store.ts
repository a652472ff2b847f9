/**
 * Signing keys in a directory of their own. A private key is read to sign and for nothing else: it is never returned,
 * logged or put into an error.
 */
import { sign } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeDirectory, writeNew, flushDirectory, codeOf } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import {
  assertPrivate,
  generateKey,
  type KeyInfo,
  type KeyRole,
  loadKey,
  type LoadedKey,
} from "./key-file.ts";

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const SUFFIX = ".key.json";

export class KeyStore {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = resolve(dir);
  }

  /** Rejects with `KEY_EXISTS`; a key is never overwritten. */
  async createKey(name: string, roles: readonly KeyRole[], now: Date = new Date()): Promise<KeyInfo> {
    if (!NAME.test(name)) throw registryErrors.create("KEY_NAME_INVALID", { name });
    makeDirectory(this.dir, 0o700);
    this.#assertDirectory();
    const { info, text } = generateKey(name, roles, now);
    try {
      writeNew(this.#file(name), text, 0o600);
    } catch (cause) {
      if (codeOf(cause) === "EEXIST")
        throw registryErrors.create("KEY_EXISTS", { name, dir: this.dir }, cause);
      throw registryErrors.create("REGISTRY_WRITE_FAILED", { file: this.#file(name), reason: codeOf(cause) });
    }
    flushDirectory(this.dir);
    return info;
  }

  /** Sorted by name. */
  async list(): Promise<readonly KeyInfo[]> {
    return this.#load().map((key) => key.info);
  }

  /** By key id or by name; rejects with `KEY_NOT_FOUND`. */
  async find(key: string): Promise<KeyInfo> {
    return this.#find(key).info;
  }

  /** Ed25519 over `bytes`, base64. */
  async sign(key: string, bytes: Uint8Array): Promise<string> {
    return sign(null, bytes, this.#find(key).privateKey).toString("base64");
  }

  #find(key: string): LoadedKey {
    if (NAME.test(key) && existsSync(this.#file(key))) {
      this.#assertDirectory();
      return loadKey(this.#file(key));
    }
    const found = this.#load().find(({ info }) => info.keyId === key);
    if (found === undefined) throw registryErrors.create("KEY_NOT_FOUND", { key, dir: this.dir });
    return found;
  }

  #load(): LoadedKey[] {
    if (!existsSync(this.dir)) return [];
    this.#assertDirectory();
    return readdirSync(this.dir)
      .filter((name) => name.endsWith(SUFFIX))
      .sort()
      .map((name) => loadKey(join(this.dir, name)));
  }

  /** Who may write in the directory may put a key there. */
  #assertDirectory(): void {
    const stat = statSync(this.dir);
    assertPrivate(this.dir, stat.mode, stat.uid);
  }

  #file(name: string): string {
    return join(this.dir, name + SUFFIX);
  }
}
