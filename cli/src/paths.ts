/** Where everything of one user and one node lies. The rules are `docs/operations.md`; nothing here touches the disk. */
import { join, resolve } from "node:path";

export interface HomePaths {
  /** config.json, policy.json, trust.json, keys/ */
  readonly configDir: string;
  /** registry/, nodes/ */
  readonly dataDir: string;
  /** What can be made again at any time. */
  readonly cacheDir: string;
}

export interface NodePaths {
  readonly dataDir: string;
  readonly ledger: string;
  /** Tells this node's claims on a shared ledger from those of another node of the same name. */
  readonly instance: string;
  /** Held by the one process that uses the directory while its ledger is elsewhere. */
  readonly lock: string;
  readonly quarantine: string;
  /** Every image the ledger names. */
  readonly images: string;
  readonly controlSocket: string;
}

export interface HomeEnvironment {
  readonly home: string;
  readonly vnesHome: string | undefined;
  readonly xdgConfig: string | undefined;
  readonly xdgData: string | undefined;
  readonly xdgCache: string | undefined;
}

/** `--home` or VNES_HOME puts everything below one directory; otherwise the XDG directories. */
export function homePaths(environment: HomeEnvironment, flag: string | undefined): HomePaths {
  const root = flag ?? environment.vnesHome;
  if (root !== undefined && root !== "") {
    const base = resolve(root);
    return { configDir: join(base, "config"), dataDir: join(base, "data"), cacheDir: join(base, "cache") };
  }
  const { home } = environment;
  return {
    configDir: join(xdg(environment.xdgConfig) ?? join(home, ".config"), "vnes"),
    dataDir: join(xdg(environment.xdgData) ?? join(home, ".local", "share"), "vnes"),
    cacheDir: join(xdg(environment.xdgCache) ?? join(home, ".cache"), "vnes"),
  };
}

/** A relative path in an XDG variable is to be ignored (XDG Base Directory Specification). */
function xdg(value: string | undefined): string | undefined {
  return value?.startsWith("/") ? value : undefined;
}

export function nodePaths(home: HomePaths, node: string, dataDir: string | undefined): NodePaths {
  const dir = dataDir === undefined ? join(home.dataDir, "nodes", node) : resolve(dataDir);
  return {
    dataDir: dir,
    ledger: join(dir, "ledger.sqlite"),
    instance: join(dir, "instance"),
    lock: join(dir, "lock"),
    quarantine: join(dir, "quarantine"),
    images: join(dir, "images"),
    controlSocket: join(dir, "control.sock"),
  };
}
