/** Set-up: the built-in capsules are built, signed and installed on this machine, with its own keys. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Log } from "@vnes/kernel";
import type { Authority, Libraries, LocalRegistry } from "@vnes/registry";
import type { Place } from "../shell.ts";

/** `capsules/` of the program. */
function capsulesDir(): string {
  return dirname(createRequire(import.meta.url).resolve("@vnes/capsules/package.json"));
}

/** What every capsule built with this program may import: what its own capsules do. */
export async function programLibraries(): Promise<Libraries> {
  const { librariesOf } = await import("@vnes/registry");
  return librariesOf(capsulesDir());
}

/** Does nothing, in milliseconds, when their sources are what was installed. What failed is logged; boot will refuse it. */
export async function setUpBuiltins(
  { home }: Place,
  authority: Authority,
  registry: LocalRegistry,
  log: Log | undefined,
): Promise<void> {
  const { installBuiltins } = await import("@vnes/registry");
  const { installed, failed } = await installBuiltins({
    capsulesDir: capsulesDir(),
    libraries: await programLibraries(),
    workDir: join(home.dataDir, "builtins"),
    authority,
    registry,
  });
  for (const { id, version, image } of installed) {
    log?.info({ capsule: id, version, image }, "built, signed and installed with this machine's own keys");
  }
  for (const { dir, error, reasons } of failed) {
    const code = error?.code ?? reasons[0]?.code;
    log?.error({ dir, code }, error?.message ?? reasons.map(({ message }) => message).join("; "));
  }
}
