/** One `Sandbox` out of one for each language: an instance opens where its capsule's language runs. */
import type { Sandbox } from "@vnes/kernel";
import type { CapsuleLanguage } from "@vnes/schemas";
import { broken } from "./image-part.ts";

/** Disposes of all of them. */
export function sandboxByLanguage(sandboxes: { readonly [language in CapsuleLanguage]?: Sandbox }): Sandbox {
  return {
    async open(spec) {
      const sandbox = sandboxes[spec.language];
      if (sandbox === undefined) throw broken(spec, `nothing here runs ${spec.language}`);
      return await sandbox.open(spec);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(sandboxes).map((sandbox) => sandbox[Symbol.asyncDispose]()));
    },
  };
}
