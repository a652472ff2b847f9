/** The sandbox host of WebAssembly: what comes with `open` is the adapter's script, the module, and the files it sees. */
import { serveIsolates } from "@vnes/driver-isolate/serve";
import type { Given } from "./adapter/guest.ts";
import { bufferOf, type OpenText } from "./open-text.ts";

serveIsolates(({ instance, entry, limits }, text) => {
  const { script, module, files, memory } = JSON.parse(text) as OpenText;
  const given: Given = {
    module: bufferOf(module),
    files: files.map(([path, base64]) => [path, bufferOf(base64)]),
    effectBytes: limits.effectBytes,
    memory,
  };
  return { instance, entry, limits, text: script, given: { ...given } };
});
