import { isolateExecutor } from "@vnes/driver-isolate";
import { openHostSandbox } from "@vnes/driver-sandbox";
import { tallyTranscript } from "./transcript.ts";

tallyTranscript({ folder: "typescript", openSandbox: () => openHostSandbox(isolateExecutor) });
