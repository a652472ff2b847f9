import { openHostSandbox } from "@vnes/driver-sandbox";
import { wasmExecutor } from "@vnes/driver-wasm";
import { compileAssembly } from "../../../../kernel/drivers/wasm/test/modules.ts";
import { tallyTranscript } from "./transcript.ts";

tallyTranscript({
  folder: "wasm",
  prepare: (dir) => compileAssembly(dir, "tally"),
  openSandbox: () => openHostSandbox(wasmExecutor),
});
