/**
 * Puts a node together out of its drivers and opens its control socket. The order is the order of what could be wrong:
 * a node that runs already, a ledger in use, trust, the registry, then boot.
 */
import { join } from "node:path";
import { openWalls } from "@vnes/driver-confine";
import { openDevice } from "@vnes/driver-device";
import { bootNode, type CapsuleSource, type Log, type Node, type NodeParts } from "@vnes/kernel";
import {
  DirectoryImageArchive,
  directorySource,
  FsQuarantine,
  type LocalRegistry,
  makePath,
  nodeDigest,
  nodeVerifier,
  openNodeSigner,
  refusalToWrite,
} from "@vnes/registry";
import type { BusConfig, Json } from "@vnes/schemas";
import { Jobs } from "../control/jobs.ts";
import type { ControlledNode } from "../control/methods.ts";
import { openControlServer } from "../control/server.ts";
import { assertSocketPath, isLive } from "../control/socket-path.ts";
import { cliErrors } from "../errors.ts";
import type { Place } from "../shell.ts";
import { openJudges, openRegistry } from "./authority.ts";
import { setUpBuiltins } from "./builtins.ts";
import { cryptoRandom } from "./crypto-random.ts";
import { clusterTable, openCluster } from "./open-cluster.ts";
import { openLedger } from "./open-ledger.ts";
import { receiptFor } from "./receipt.ts";
import { replayFor, type ReplayJudges } from "./replay.ts";
import { openSandboxes } from "./sandboxes.ts";
import { SystemClock } from "./system-clock.ts";

export interface OpenNodeOptions {
  readonly pid: number;
  readonly log: Log;
  /** Capsule directories besides the registry; an id in one of them goes before the registry's. */
  readonly capsules: readonly string[];
  readonly unconfinedDev: boolean;
  /** Servers that keep the ledger; undefined: it is a file of this node. */
  readonly bus: BusConfig | undefined;
}

export interface OpenNode {
  readonly node: Node;
  readonly controlSocket: string;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openNode(place: Place, options: OpenNodeOptions): Promise<OpenNode> {
  const { paths, config } = place;
  const { log } = options;
  assertSocketPath(paths.controlSocket);
  makeDataDir(paths.dataDir);
  if (await isLive(paths.controlSocket)) {
    throw cliErrors.create("NODE_ALREADY_RUNNING", { path: paths.controlSocket });
  }
  const clock = new SystemClock();
  const table = clusterTable(place, options.bus);
  const ledger = await openLedger(place, options.bus, table, clock, log);
  const quarantine = new FsQuarantine(paths.quarantine);
  let parts: NodeParts;
  try {
    const [{ policy, trust, sources, registry }, { platform, wallOf }] = await Promise.all([
      prepare(place, options),
      openWalls(),
    ]);
    // Last, since nothing but the node closes it.
    const cluster = table && options.bus && (await openCluster(table, options.bus, clock));
    parts = {
      node: place.node,
      pid: options.pid,
      clock,
      random: cryptoRandom,
      digest: nodeDigest,
      verifier: nodeVerifier,
      log,
      ledger: ledger.store,
      ...(ledger.bus === undefined ? {} : { bus: ledger.bus }),
      ...(cluster === undefined ? {} : { cluster }),
      sandbox: openSandboxes(wallOf),
      device: openDevice({ dataDir: paths.dataDir }),
      sources,
      quarantine,
      signer: await openNodeSigner(join(paths.dataDir, "keys")),
      archive: new DirectoryImageArchive(paths.images, registry),
      policy,
      platform,
      trust,
      run: config.capsules?.run,
      config: config.capsules?.config ?? {},
      unconfinedDev: options.unconfinedDev,
    };
  } catch (error) {
    await ledger.store[Symbol.asyncDispose]();
    await ledger.close();
    throw error;
  }
  let node: Node;
  try {
    node = await bootNode(parts);
  } catch (error) {
    await ledger.close();
    throw error;
  }
  try {
    const control = await openControlServer(paths.controlSocket, controlled(node, quarantine, parts));
    return {
      node,
      controlSocket: control.path,
      async [Symbol.asyncDispose](): Promise<void> {
        await node[Symbol.asyncDispose]();
        await ledger.close();
        // Last, so that a command in flight still hears how it ended.
        await control[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await node[Symbol.asyncDispose]();
    await ledger.close();
    throw error;
  }
}

async function prepare(
  place: Place,
  { log, capsules }: OpenNodeOptions,
): Promise<
  Pick<NodeParts, "policy" | "trust"> & {
    readonly sources: readonly CapsuleSource[];
    readonly registry: LocalRegistry;
  }
> {
  const { authority, policy, trust } = await openJudges(place);
  const registry = await openRegistry(place);
  await setUpBuiltins(place, authority, registry, log);
  return { policy, trust, sources: [...capsules.map((dir) => directorySource(dir)), registry], registry };
}

function makeDataDir(path: string): void {
  try {
    makePath(path, 0o700);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = refusalToWrite(path) ?? code ?? message;
    throw cliErrors.create("DATA_DIR_UNUSABLE", { path, reason }, cause);
  }
}

function controlled(node: Node, quarantine: FsQuarantine, judges: ReplayJudges): ControlledNode {
  return {
    status: () => node.status(),
    inspect: (id) => node.inspect(id),
    suspend: (id) => node.suspend(id),
    resume: (id) => node.resume(id),
    unload: (id) => node.unload(id),
    quarantined: () => node.quarantined(),
    topics: node.topics,
    call: (capability, method, input, timeoutMs) => node.call(capability, method, input, timeoutMs),
    jobs: new Jobs(),
    state: node.state,
    exportReceipt: (params) => receiptFor(node, params),
    replay: (params, signal, tell) => replayFor(node, judges, params, signal, tell),
    showQuarantined: async (entry) => (await quarantine.show(entry)) as unknown as Json,
  };
}
