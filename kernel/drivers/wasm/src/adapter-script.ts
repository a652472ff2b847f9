/** The script that runs in the isolate of every module: our own adapter with the sdk's engine. The same sources and esbuild give the same bytes. */
import { builtText } from "@vnes/driver-host";

const ENTRY = new URL(`./adapter/main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Made when the first module is opened, so a node without one does not pay for it. */
export function adapterScript(): string {
  return builtText(ENTRY, "capsule");
}
