/**
 * The capsules of a simulation, built by the real builder from the sources as they are and signed by keys that are the
 * same in every run: an image's hash is in the ledger, and a seed must give the same ledger everywhere.
 */
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CapsuleImage } from "@vnes/kernel";
import { buildCapsule, librariesOf, manifestOf, openAuthority, readImage } from "@vnes/registry";
import type { Policy, TrustDocument } from "@vnes/schemas";

/** Virtual time begins here. */
export const EPOCH_MS = 1_700_000_000_000;
const now = (): Date => new Date(EPOCH_MS);

const CORE = ["observability", "geometry", "routing", "consensus"];
const VPN = ["session", "gateway", "client", "transport"];
const CRASH = ["intake", "tally"];
const OWN = ["register", "link", "chain", "alarm", "watch", "picky", "lease", "digest"];

const DIRECTORIES: readonly URL[] = [
  ...CORE.map((name) => new URL(`../../capsules/core/${name}`, import.meta.url)),
  ...VPN.map((name) => new URL(`../../capsules/vpn/${name}`, import.meta.url)),
  ...CRASH.map((name) => new URL(`../crash/capsules/${name}`, import.meta.url)),
  ...OWN.map((name) => new URL(`capsules/${name}`, import.meta.url)),
];

/** What the policy demands of every node. */
export const CORE_CAPSULES: readonly string[] = CORE.map((name) => `vnes.core.${name}`);

/** What every node of every run is given. */
export interface Built {
  readonly images: ReadonlyMap<string, CapsuleImage>;
  readonly policy: Policy;
  readonly trust: TrustDocument;
}

/** `directory` is empty and the run's own. Another process of the run opens what this one built. */
export async function buildImages(directory: string): Promise<void> {
  writeKeys(join(directory, "config", "keys"));
  const authority = await openAuthority(join(directory, "config"), now);
  const libraries = librariesOf(fileURLToPath(new URL("../../capsules", import.meta.url)));
  await Promise.all(
    DIRECTORIES.map(async (source) => {
      const from = fileURLToPath(source);
      const to = join(directory, "capsules", basename(from));
      cpSync(from, to, { recursive: true, filter: (path) => !/\/(node_modules|impl|test)$/.test(path) });
      await buildCapsule(to, { authority, libraries, now: now() });
    }),
  );
}

export async function openImages(directory: string): Promise<Built> {
  const { policy, trust } = await openAuthority(join(directory, "config"), now).then((authority) => ({
    policy: authority.policy,
    trust: authority.trust(),
  }));
  const images = new Map<string, CapsuleImage>();
  for (const source of DIRECTORIES) {
    const directoryOf = join(directory, "capsules", basename(fileURLToPath(source)));
    const image = await readImage(directoryOf);
    images.set(manifestOf(image, directoryOf).id, image);
  }
  return { images, policy, trust };
}

/** DER in front of a raw Ed25519 secret (RFC 8410, section 7). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX_BYTES = 12;

/** Secrets anybody can compute: they sign what a simulation runs and nothing else. */
function writeKeys(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [name, role] of [
    ["root", "root"],
    ["builtin-build", "build"],
    ["builtin-deployment", "deployment"],
    ["build", "build"],
  ] as const) {
    const secret = createHash("sha256").update(`simulation ${name}`).digest();
    const pkcs8 = Buffer.concat([PKCS8_ED25519, secret]);
    const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
    const raw = createPublicKey(privateKey)
      .export({ type: "spki", format: "der" })
      .subarray(SPKI_PREFIX_BYTES);
    const file = {
      schema_version: "v1",
      key_id: `key_${createHash("sha256").update(raw).digest("hex").slice(0, 16)}`,
      name,
      roles: [role],
      algorithm: "ed25519",
      created_at: now().toISOString(),
      public_key: raw.toString("base64"),
      private_key_pkcs8: pkcs8.toString("base64"),
    };
    writeFileSync(join(directory, `${name}.key.json`), JSON.stringify(file), { mode: 0o600 });
  }
}
