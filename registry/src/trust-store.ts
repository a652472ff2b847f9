/**
 * The trust document on disk and, beside it, what must not be forgotten about it.
 *
 * 1. A document counts only when a pinned root signed it.
 * 2. The highest version that was ever gone by is kept, and an older one is refused. Who only looks keeps nothing.
 * 3. Roots are pinned once. A document that is gone is not made anew: what it had revoked would come back.
 */
import { existsSync, readFileSync } from "node:fs";
import { type TrustRoot, verifyTrust } from "@vnes/kernel";
import { parseTrust, type TrustDocument } from "@vnes/schemas";
import { codeOf, replaceFile } from "./durable.ts";
import { registryErrors } from "./errors.ts";
import { nodeVerifier } from "./node-digest.ts";

interface TrustState {
  readonly schema_version: "v1";
  readonly roots: readonly { readonly key_id: string; readonly public_key: string }[];
  /** 0 while no document was ever seen. */
  readonly last_version: number;
}

export class TrustStore {
  readonly file: string;
  readonly #stateFile: string;
  readonly #looksOnly: boolean;

  /** What is kept of `trust.json` is in `trust-state.json` beside it, and of other names likewise. */
  constructor(file: string, { looksOnly = false }: { readonly looksOnly?: boolean } = {}) {
    this.#looksOnly = looksOnly;
    this.file = file;
    this.#stateFile = file.replace(/(\.json)?$/, "-state.json");
  }

  /** Null when there never was a document; throws with a `TRUST_*` error when there is none that may be used. */
  read(): TrustDocument | null {
    const state = this.#state();
    if (!existsSync(this.file)) {
      if (state === null || state.last_version === 0) return null;
      throw registryErrors.create("TRUST_DOCUMENT_MISSING", { file: this.file });
    }
    if (state === null) {
      throw registryErrors.create("TRUST_STATE_BROKEN", { file: this.#stateFile, reason: "it is gone" });
    }
    const document = this.#accept(readFileSync(this.file), state);
    const isNewer = document.version > state.last_version;
    if (isNewer && !this.#looksOnly) this.#writeState({ ...state, last_version: document.version });
    return document;
  }

  /** Once; a second root is another authority. */
  pin(root: TrustRoot): void {
    const state = this.#state();
    if (state !== null) return;
    const roots = [{ key_id: root.key_id, public_key: root.public_key }];
    this.#writeState({ schema_version: "v1", roots, last_version: 0 });
  }

  /** Checks the document as any reader would before it replaces the one that is there. */
  write(document: TrustDocument): void {
    const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
    const state = this.#state();
    if (state === null) throw new Error("a trust document is written before a root is pinned");
    this.#accept(bytes, state);
    replaceFile(this.file, bytes, 0o644);
    this.#writeState({ ...state, last_version: document.version });
  }

  #accept(bytes: Uint8Array, state: TrustState): TrustDocument {
    const parsed = parseTrust(bytes);
    if (!parsed.ok) {
      const first = parsed.problems[0];
      const { pointer, message } = first ?? { pointer: "", message: "it cannot be understood" };
      throw registryErrors.create("TRUST_DOCUMENT_BROKEN", { file: this.file, pointer, reason: message });
    }
    const reasons = verifyTrust(parsed.value, state.roots, state.last_version, nodeVerifier);
    if (reasons.length > 0) {
      throw registryErrors.create("TRUST_DOCUMENT_REFUSED", {
        file: this.file,
        reasons: reasons.map(({ code, message }) => `${code}: ${message}`).join("; "),
        codes: reasons.map(({ code }) => code),
      });
    }
    return parsed.value;
  }

  #state(): TrustState | null {
    let text: string;
    try {
      text = readFileSync(this.#stateFile, "utf8");
    } catch (cause) {
      if (codeOf(cause) === "ENOENT") return null;
      throw registryErrors.create(
        "TRUST_STATE_BROKEN",
        { file: this.#stateFile, reason: codeOf(cause) },
        cause,
      );
    }
    const state = parseState(text);
    if (state === null) {
      throw registryErrors.create("TRUST_STATE_BROKEN", {
        file: this.#stateFile,
        reason: "its shape is unknown",
      });
    }
    return state;
  }

  #writeState(state: TrustState): void {
    replaceFile(this.#stateFile, `${JSON.stringify(state, null, 2)}\n`, 0o600);
  }
}

/** A document that somebody named has to be there. Throws with `TRUST_FILE_MISSING` and what `read` of a store throws. */
export function loadTrust(file: string, how: { readonly looksOnly: boolean }): TrustDocument {
  const trust = new TrustStore(file, how).read();
  if (trust === null) throw registryErrors.create("TRUST_FILE_MISSING", { file });
  return trust;
}

function parseState(text: string): TrustState | null {
  let value: Partial<TrustState>;
  try {
    value = JSON.parse(text) as Partial<TrustState>;
  } catch {
    return null;
  }
  const { roots, last_version: last } = value ?? {};
  if (!Array.isArray(roots) || roots.length === 0 || !Number.isSafeInteger(last)) return null;
  const named = roots.every(
    (root) => typeof root?.key_id === "string" && typeof root.public_key === "string",
  );
  return named ? (value as TrustState) : null;
}
