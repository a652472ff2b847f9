/** A whole node on memory drivers: capsules are a manifest, topic files and a bundle; images are really hashed and signed. */
import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import {
  type Bundle,
  LedgerMemory,
  MemoryCapsuleSource,
  MemoryClock,
  MemoryDevice,
  MemoryLedgerStore,
  MemoryQuarantine,
  MemorySandbox,
  SeededRandom,
} from "@vnes/driver-memory";
import {
  allHashes,
  bootNode,
  type CapsuleImage,
  type ImageFile,
  type Node,
  type NodeParts,
  receiptSigningBytes,
  type SignatureVerifier,
  treeHash,
} from "@vnes/kernel";
import type { Json, Manifest, Policy, Receipt, Sha256, TopicDefinition, TrustDocument } from "@vnes/schemas";
import { digest } from "./shard-harness.ts";

export const policy: Policy = {
  schema_version: "v1",
  required: [],
  admission: [
    {
      match: "test.*",
      tiers: ["local"],
      determinism: ["D0_bit_exact", "D1_numerically_stable", "NX_experimental"],
      zones: ["system", "tenant"],
    },
  ],
  powers: [{ power: "net.udp", to: ["test.radio"] }],
  hosts: [],
  providers: {},
  limits: {},
};

const keys = generateKeyPairSync("ed25519");

function rawPublic(key: KeyObject): Buffer {
  return Buffer.from((key.export({ format: "jwk" }) as { x: string }).x, "base64url");
}

const publicKey = rawPublic(keys.publicKey).toString("base64");
export const keyId = `key_${createHash("sha256").update(rawPublic(keys.publicKey)).digest("hex").slice(0, 16)}`;

export const trust: TrustDocument = {
  schema_version: "v1",
  version: 1,
  issued_at: "2026-01-01T00:00:00Z",
  keys: [
    {
      key_id: keyId,
      algorithm: "ed25519",
      public_key: publicKey,
      roles: ["build"],
      namespaces: ["test.*"],
      tiers: ["local"],
      zones: ["system", "tenant"],
      valid_from: "2020-01-01T00:00:00Z",
      valid_until: "2040-01-01T00:00:00Z",
    },
  ],
  thresholds: {},
  signatures: [],
};

export const verifier: SignatureVerifier = {
  verify: (raw, message, signature) => {
    const x = Buffer.from(raw, "base64").toString("base64url");
    const key = { key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" } as const;
    return verify(null, message, key, Buffer.from(signature, "base64"));
  },
};

export interface TestCapsule {
  readonly manifest: Manifest;
  /** Path to JSON, under spec/. */
  readonly spec?: { readonly [path: string]: unknown };
  readonly bundle?: () => Bundle;
}

export function manifestOf(id: string, more: Partial<Manifest> = {}): Manifest {
  return {
    id,
    version: "1.0.0",
    type: "logic",
    description: "for a test",
    interfaces: { javascript: "impl/main.js" },
    governance: { tier: "local", audit_level: "none" },
    security: { trust_zone: "system" },
    ...more,
    capabilities: { provides: [], determinism_tier: "D0_bit_exact", ...more.capabilities },
  };
}

/** A file of `spec/topics/`. */
export function topicOf(topic: string, owner: string, more: Partial<TopicDefinition> = {}): TopicDefinition {
  return {
    schema_version: "v1",
    topic,
    owner,
    description: "for a test",
    schemas: [{ type: "object" }],
    partition: { count: 1 },
    quality: "at_least_once",
    retention: {},
    flow: { policy: "block", buffer: 100 },
    ...more,
  };
}

export function imageOf(files: { readonly [path: string]: unknown }): CapsuleImage {
  const list = Object.entries(files).map(([path, content]): ImageFile => {
    const bytes = new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content));
    const sha256: Sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    return { path, bytes, executable: false, sha256 };
  });
  list.sort((a, b) => (a.path < b.path ? -1 : 1));
  const sized = list.map((file) => ({ ...file, size: file.bytes.length }));
  return { hash: treeHash(sized, digest), files: list };
}

export function receiptFor(manifest: Manifest, image: CapsuleImage): Receipt {
  const { input, ...parts } = allHashes(image, digest);
  const unsigned: Receipt = {
    version: "1.0",
    timestamp: "2026-01-01T00:00:00Z",
    capsule: { id: manifest.id, version: manifest.version },
    determinism_tier: manifest.capabilities.determinism_tier ?? "NX_experimental",
    input_hash: input,
    output_hash: parts.impl,
    parts,
    files: Object.fromEntries(image.files.map((file) => [file.path, file.sha256])),
    transformations: [],
    toolchain: {},
    environment: {},
    signature: { key_id: "", value: "" },
    signatures: [],
  };
  const value = sign(null, receiptSigningBytes(unsigned), keys.privateKey).toString("base64");
  const signature = { key_id: keyId, value };
  return { ...unsigned, signature, signatures: [{ role: "build", ...signature }] };
}

export function signedImage(capsule: TestCapsule): CapsuleImage {
  const { manifest, spec = {} } = capsule;
  const files = { "manifest.json": manifest, "impl/main.js": `// ${manifest.id}`, ...spec };
  return imageOf({ ...files, "receipt.stunir.json": receiptFor(manifest, imageOf(files)) });
}

export interface TestNode {
  readonly node: Node;
  readonly clock: MemoryClock;
  readonly quarantine: MemoryQuarantine;
  /** A call as a person makes it, driven to its end. */
  ask(capability: string, method: string, input: Json): Promise<Json>;
  settle(): Promise<void>;
}

export async function bootTestNode(options: {
  readonly capsules: readonly TestCapsule[];
  readonly memory?: LedgerMemory;
  readonly clock?: MemoryClock;
  readonly images?: readonly CapsuleImage[];
  readonly parts?: Partial<NodeParts>;
  readonly faults?: ConstructorParameters<typeof MemoryLedgerStore>[1];
  readonly drivers?: ConstructorParameters<typeof MemoryDevice>[0];
  readonly sandboxFaults?: ConstructorParameters<typeof MemorySandbox>[1];
}): Promise<TestNode> {
  const clock = options.clock ?? new MemoryClock();
  const quarantine = new MemoryQuarantine();
  const bundles = Object.fromEntries(
    options.capsules.flatMap(({ manifest, bundle }) => (bundle === undefined ? [] : [[manifest.id, bundle]])),
  );
  const images = options.images ?? options.capsules.map((one) => signedImage(one));
  const silence = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 40; round++) await new Promise((resume) => setImmediate(resume));
  };
  const node = await bootNode({
    node: "test",
    pid: 1,
    clock,
    random: new SeededRandom(3),
    digest,
    verifier,
    log: silence,
    ledger:
      options.parts?.ledger ?? new MemoryLedgerStore(options.memory ?? new LedgerMemory(), options.faults),
    sandbox: new MemorySandbox(bundles, options.sandboxFaults),
    device: new MemoryDevice(options.drivers ?? {}),
    sources: [new MemoryCapsuleSource(images.map((image) => ({ origin: `memory:${image.hash}`, image })))],
    quarantine,
    policy,
    trust,
    run: undefined,
    config: {},
    unconfinedDev: false,
    ...options.parts,
  });
  return {
    node,
    clock,
    quarantine,
    settle,
    ask: async (capability, method, input) => {
      const answer = node.call(capability, method, input, 1_000);
      await settle();
      return (await answer) as unknown as Json;
    },
  };
}
