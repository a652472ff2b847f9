import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeExecutor, openProcessSandbox } from "@vnes/driver-process";
import { tallyTranscript } from "./transcript.ts";

const SDK = fileURLToPath(new URL("../../../../sdk/c", import.meta.url));

tallyTranscript({
  folder: "native",
  prepare: (dir) => {
    mkdirSync(join(dir, "impl"));
    const files = ["-o", join(dir, "impl/tally"), join(dir, "src/main.c")];
    execFileSync("cc", ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-I", SDK, ...files]);
  },
  openSandbox: () => openProcessSandbox(nativeExecutor),
});
