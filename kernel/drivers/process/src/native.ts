/** Native: an executable of the image, which speaks the host protocol itself (`sdk/c/vnes.h`). */
import { basename } from "node:path";
import { bytesOf } from "@vnes/driver-sandbox";
import type { ProcessExecutor } from "./executor.ts";

export const nativeExecutor: ProcessExecutor = {
  language: "native",
  program: (spec) => ({
    file: basename(spec.entry),
    bytes: bytesOf(spec),
    args: [],
    env: {},
    reads: [],
  }),
  bundle: () => "",
};
