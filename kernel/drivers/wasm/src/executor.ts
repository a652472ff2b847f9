/**
 * WebAssembly: one V8 isolate for each instance, in a host process for each group. The isolate runs a script of ours that calls the
 * module, so deadlines, batches and meters are those of JavaScript.
 */
import { builtProgram } from "@vnes/driver-host";
import { ISOLATE_FLAGS, ISOLATE_PACKAGES } from "@vnes/driver-isolate";
import { broken, bytesOf, type Executor } from "@vnes/driver-sandbox";
import { admissionErrors, importedPages, wasmProblems } from "@vnes/kernel";
import { adapterScript } from "./adapter-script.ts";
import { base64Of, filesOf, type OpenText } from "./open-text.ts";

const HOST_MAIN = new URL(`./host-main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export const wasmExecutor: Executor = {
  language: "wasm",
  program: () =>
    builtProgram(HOST_MAIN, {
      flags: ISOLATE_FLAGS,
      packages: ISOLATE_PACKAGES,
      sources: ["@vnes/driver-host", "@vnes/driver-isolate"],
    }),
  bundle(spec) {
    const module = bytesOf(spec);
    const { memoryMb } = spec.limits;
    // Admission has asked the same of what the manifest wants; the zone may allow less.
    const [problem] = wasmProblems(module, spec.entry, memoryMb, false);
    if (problem !== undefined) {
      const { code, message } = admissionErrors.create(problem.code, problem.details);
      throw broken(spec, `${code}: ${message}`);
    }
    const files = filesOf(spec);
    if (files === undefined) throw broken(spec, "the files beside the module are more than 8 MB");
    const memory = importedPages(module, memoryMb);
    const text: OpenText = {
      script: adapterScript(),
      module: base64Of(module),
      files,
      ...(memory === undefined ? {} : { memory }),
    };
    return JSON.stringify(text);
  },
};
