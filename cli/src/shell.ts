/** What every command is handed: where things lie, where to say things, and how to reach a node. Made in `main.ts`. */
import { type ExitName, isNodeName, isVnesError, type NodeConfig } from "@vnes/schemas";
import { ControlClient } from "./control/client.ts";
import { runningNodes } from "./control/running-nodes.ts";
import { type HomeEnvironment, type HomePaths, homePaths, type NodePaths, nodePaths } from "./paths.ts";
import { cliErrors } from "./errors.ts";
import type { Output } from "./output/output.ts";
import { readSettings } from "./settings.ts";

/** The flags every command has. */
export interface GlobalFlags {
  readonly home: string | undefined;
  readonly node: string | undefined;
  readonly dataDir: string | undefined;
  readonly config: string | undefined;
  readonly output: string;
}

export interface Shell {
  readonly environment: HomeEnvironment;
  readonly output: Output;
  readonly pid: number;
  /** True when standard error is a terminal: logs are then for people. */
  readonly prettyLogs: boolean;
  /** True when a fault in vnes itself should be shown with its stack. */
  readonly trace: boolean;
  /** Sets what the process exits with; also for a command that ends well with a bad answer. */
  fail(exit: ExitName): void;
  /** Resolves when the process is asked to end. */
  stopRequested(): Promise<string>;
}

/** One node as seen from the command line. */
export interface Place {
  readonly home: HomePaths;
  readonly config: NodeConfig;
  /** Null when there is none and every setting has its default. */
  readonly configFile: string | null;
  readonly node: string;
  readonly paths: NodePaths;
}

export async function findPlace(shell: Shell, flags: GlobalFlags): Promise<Place> {
  const home = homePaths(shell.environment, flags.home);
  const { config, file } = await readSettings(home, flags.config);
  const node = flags.node ?? config.node;
  if (!isNodeName(node)) throw cliErrors.create("CONFIG_NODE_NAME_INVALID", { name: node });
  const paths = nodePaths(home, node, flags.dataDir ?? config.data_dir);
  return { home, config, configFile: file, node, paths };
}

/** Rejects with `NODE_NOT_RUNNING` when there is nobody. */
export async function connectTo(place: Place): Promise<ControlClient> {
  return await ControlClient.connect({ path: place.paths.controlSocket, node: place.node });
}

/** Opens a connection for one piece of work and closes it. Rejects with `NODE_NOT_RUNNING` or `NODE_OTHER_RUNS` when there is nobody. */
export async function withNode<T>(
  shell: Shell,
  flags: GlobalFlags,
  work: (client: ControlClient, place: Place) => Promise<T>,
): Promise<T> {
  const place = await findPlace(shell, flags);
  const { controlSocket: path } = place.paths;
  const onSilence = (limitMs: number): void => {
    const { output } = shell;
    const why = output.next("vnes doctor");
    output.say(
      `node ${place.node} has not answered yet; this waits for up to ${limitMs / 1000} s. Why: ${why}`,
    );
  };
  let connected: ControlClient;
  try {
    connected = await ControlClient.connect({ path, node: place.node, onSilence });
  } catch (error) {
    throw await namingOthers(error, place, flags);
  }
  using client = connected;
  return await work(client, place);
}

/** Where nobody answers under that name and others do under theirs, one of them was probably meant. */
async function namingOthers(
  error: unknown,
  { home, node, config }: Place,
  flags: GlobalFlags,
): Promise<unknown> {
  if (!isVnesError(error) || error.code !== "NODE_NOT_RUNNING") return error;
  // A directory of its own belongs to the one node, whatever it is called.
  if (flags.dataDir !== undefined || config.data_dir !== undefined) return error;
  const others = await runningNodes(home);
  const [first] = others;
  if (first === undefined) return error;
  return cliErrors.create("NODE_OTHER_RUNS", { node, others: others.join(", "), first }, error);
}
