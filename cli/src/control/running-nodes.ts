/** Which nodes of a home answer: for somebody who asked one that does not. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isNodeName } from "@vnes/schemas";
import { type HomePaths, nodePaths } from "../paths.ts";
import { MAX_SOCKET_PATH_BYTES } from "./bounds.ts";
import { isLive } from "./socket-path.ts";

/** Directories that are looked into; a home has a few. */
const MAX_LOOKED_AT = 64;

/** Sorted by name. Those whose directory is elsewhere (`data_dir`) are not found. */
export async function runningNodes(home: HomePaths): Promise<readonly string[]> {
  const names = (await entriesOf(join(home.dataDir, "nodes"))).filter(isNodeName).sort();
  const looked = names.slice(0, MAX_LOOKED_AT).map(async (name) => {
    const { controlSocket } = nodePaths(home, name, undefined);
    const isPossible = Buffer.byteLength(controlSocket) <= MAX_SOCKET_PATH_BYTES;
    return isPossible && (await isLive(controlSocket)) ? [name] : [];
  });
  return (await Promise.all(looked)).flat();
}

/** Names of directories; none where nothing can be read. */
async function entriesOf(dir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}
