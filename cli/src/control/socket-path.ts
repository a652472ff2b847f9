/** Whether a path can be a control socket, and whether a node answers there. */
import { connect } from "node:net";
import { cliErrors } from "../errors.ts";
import { CONNECT_TIMEOUT_MS, MAX_SOCKET_PATH_BYTES } from "./bounds.ts";

export function assertSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw cliErrors.create("CONTROL_PATH_TOO_LONG", { path, bytes, limit: MAX_SOCKET_PATH_BYTES });
  }
}

/** True when somebody accepts there. A socket file of a node that was killed refuses at once. */
export async function isLive(path: string): Promise<boolean> {
  return await new Promise((done) => {
    const socket = connect({ path });
    const end = (live: boolean): void => {
      socket.destroy();
      done(live);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => end(true));
    socket.once("connect", () => end(true));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      end(error.code !== "ENOENT" && error.code !== "ECONNREFUSED" && error.code !== "ENOTSOCK");
    });
  });
}
