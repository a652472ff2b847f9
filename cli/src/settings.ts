/** The one configuration file of a node. Without it every setting has its default. */
import { dirname, join, resolve } from "node:path";
import { type NodeConfig, parseNodeConfig } from "@vnes/schemas";
import { cliErrors } from "./errors.ts";
import { FileUnusable, readNamedFile, unusableReason } from "./named-file.ts";
import type { HomePaths } from "./paths.ts";

const CONFIG_FILE = "config.json";
/** A hundred times what every setting together needs. */
const MAX_CONFIG_BYTES = 1_048_576;
const DEFAULT_NODE = "local";

export interface SettingsFile {
  readonly config: NodeConfig;
  readonly file: string | null;
}

/** Paths in the file are relative to the file. Rejects with `CONFIG_NOT_FOUND`, `CONFIG_UNREADABLE` or `CONFIG_INVALID`. */
export async function readSettings(home: HomePaths, flag: string | undefined): Promise<SettingsFile> {
  const path = flag === undefined ? join(home.configDir, CONFIG_FILE) : resolve(flag);
  let bytes: Uint8Array;
  try {
    bytes = await readNamedFile(path, MAX_CONFIG_BYTES);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" && flag === undefined) {
      return { config: { schema_version: "v1", node: DEFAULT_NODE }, file: null };
    }
    if (code === "ENOENT") throw cliErrors.create("CONFIG_NOT_FOUND", { path }, cause);
    const reason = unusableReason(cause);
    // The system's no says nothing of what is in the file, or that there is one.
    if (!(cause instanceof FileUnusable))
      throw cliErrors.create("CONFIG_UNREADABLE", { path, reason }, cause);
    const problem = { path, pointer: "/", reason: `cannot be read (${reason})` };
    throw cliErrors.create("CONFIG_INVALID", problem, cause);
  }
  const parsed = parseNodeConfig(bytes);
  if (!parsed.ok) {
    const { pointer = "/", message: reason = "is not valid" } = parsed.problems[0] ?? {};
    throw cliErrors.create("CONFIG_INVALID", { path, pointer: pointer === "" ? "/" : pointer, reason });
  }
  return { config: absolute(parsed.value, dirname(path)), file: path };
}

function absolute(config: NodeConfig, base: string): NodeConfig {
  const { data_dir, registry, policy, trust, bus } = config;
  const { credentials, login } = bus ?? {};
  return {
    ...config,
    ...(data_dir === undefined ? {} : { data_dir: resolve(base, data_dir) }),
    ...(registry === undefined ? {} : { registry: resolve(base, registry) }),
    ...(policy === undefined ? {} : { policy: resolve(base, policy) }),
    ...(trust === undefined ? {} : { trust: resolve(base, trust) }),
    ...(bus === undefined
      ? {}
      : {
          bus: {
            ...bus,
            ...(credentials === undefined ? {} : { credentials: resolve(base, credentials) }),
            ...(login === undefined ? {} : { login: resolve(base, login) }),
          },
        }),
  };
}
