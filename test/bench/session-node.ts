/** A node that keeps sessions as a real one does: the built and signed capsule, in its isolate host, over a real ledger. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { bootNode, type CapsuleImage, type LedgerStore, type Node, type SandboxInstance } from "@vnes/kernel";
import { buildCapsule, librariesOf, nodeDigest, openAuthority, readImage } from "@vnes/registry";
import type { Policy, TrustDocument } from "@vnes/schemas";
import { MemoryCapsuleSource, MemoryDevice, MemoryQuarantine } from "@vnes/driver-memory";
import { cryptoRandom } from "../../cli/src/node/crypto-random.ts";
import { SystemClock } from "../../cli/src/node/system-clock.ts";
import { verifier } from "../../kernel/test/harness/node-harness.ts";

const SESSION_CAPSULE = "vnes.vpn.session";
export const SESSION_SHARD = `${SESSION_CAPSULE}/0`;

/** The capsule as `vnes setup` builds and signs it. */
export interface BuiltSession {
  readonly image: CapsuleImage;
  readonly policy: Policy;
  readonly trust: TrustDocument;
}

export async function buildSession(): Promise<BuiltSession> {
  const directory = mkdtempSync(join(tmpdir(), "vnes-session-"));
  try {
    const authority = await openAuthority(join(directory, "config"), () => new Date());
    const to = join(directory, "session");
    const from = fileURLToPath(new URL("../../capsules/vpn/session", import.meta.url));
    cpSync(from, to, { recursive: true, filter: (path) => !/\/(node_modules|impl|test)$/.test(path) });
    const libraries = librariesOf(fileURLToPath(new URL("../../capsules", import.meta.url)));
    await buildCapsule(to, { authority, libraries, now: new Date() });
    return { image: await readImage(to), policy: authority.policy, trust: authority.trust() };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export interface SessionNode extends AsyncDisposable {
  readonly node: Node;
  readonly ledger: LedgerStore;
  /** Of the process the capsule runs in. */
  readonly hostPid: number;
}

/** `where`: a SQLite file, or a store, which the node disposes. */
export async function bootSessionNode(
  { image, policy, trust }: BuiltSession,
  where: string | LedgerStore,
  { maxSessions, stateMb }: { readonly maxSessions: number; readonly stateMb: number },
): Promise<SessionNode> {
  const ledger = typeof where === "string" ? await openSqliteLedgerStore({ path: where }) : where;
  const sandbox = openHostSandbox(isolateExecutor);
  const opened: SandboxInstance[] = [];
  const silence = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const system = policy.limits.system ?? { memory_mb: 128, turn_ms: 1_000 };
  const node = await bootNode({
    node: "test",
    pid: process.pid,
    clock: new SystemClock(),
    random: cryptoRandom,
    digest: nodeDigest,
    verifier,
    log: silence,
    ledger,
    sandbox: {
      open: async (spec) => {
        const instance = await sandbox.open(spec);
        opened.push(instance);
        return instance;
      },
      [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
    },
    device: new MemoryDevice({}),
    sources: [new MemoryCapsuleSource([{ origin: "bench", image }])],
    quarantine: new MemoryQuarantine(),
    policy: {
      ...policy,
      required: [],
      limits: { ...policy.limits, system: { ...system, state_mb: stateMb } },
    },
    trust,
    run: undefined,
    config: { [SESSION_CAPSULE]: { maxSessions } },
    unconfinedDev: true,
  });
  return {
    node,
    ledger,
    hostPid: (await opened[0]?.meters())?.host.pid ?? 0,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      await sandbox[Symbol.asyncDispose]();
    },
  };
}
