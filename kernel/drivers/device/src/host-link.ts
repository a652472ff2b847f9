import { spawn } from "node:child_process";

export interface HostLink {
  readonly pid: number;
  send(message: unknown): void;
  kill(): Promise<void>;
}
export async function openHostLink(options: {
  readonly name: string;
  onMessage(message: unknown): void;
  onDeath(reason: string): void;
}): Promise<HostLink> {
  const child = spawn(
    process.execPath,
    ["--conditions=source", new URL("./host-main.ts", import.meta.url).pathname],
    { stdio: ["ignore", "ignore", "inherit", "ipc"], env: {} },
  );
  const gone = Promise.withResolvers<void>();
  child.on("message", (m) => options.onMessage(m));
  child.on("exit", (code, signal) => {
    options.onDeath(`${signal ?? code}`);
    gone.resolve();
  });
  return {
    pid: child.pid ?? 0,
    send: (m) => void (child.connected && child.send(m as object)),
    kill() {
      child.kill("SIGKILL");
      return gone.promise;
    },
  };
}
