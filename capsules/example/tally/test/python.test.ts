import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { openProcessSandbox, pythonExecutor } from "@vnes/driver-process";
import { tallyTranscript } from "./transcript.ts";

const SDK = new URL("../../../../sdk/python/vnes.py", import.meta.url);

tallyTranscript({
  folder: "python",
  // The bytes that run are bytes of the image: an author keeps the sdk beside the capsule's own modules.
  prepare: (dir) => copyFileSync(SDK, join(dir, "impl/vnes.py")),
  openSandbox: () => openProcessSandbox(pythonExecutor()),
});
