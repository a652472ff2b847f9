/** Writes a new capsule: small, complete, and green at once in build, verify, install and boot. */
import { existsSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { cliErrors } from "../errors.ts";
import type { TemplateLanguage } from "./languages.ts";
import { templateFiles } from "./template-files.ts";

/** What a manifest may hold as `id`, and at least two parts: the first names whose it is. */
const CAPSULE_ID = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/;
const MAX_ID = 128;

/** The files written, relative to `dir`. Rejects with `CAPSULE_ID_INVALID`, `CLI_FILE_EXISTS` or `CLI_WRITE_FAILED`; nothing is overwritten. */
export async function writeTemplate(
  dir: string,
  id: string,
  language: TemplateLanguage,
): Promise<readonly string[]> {
  if (!CAPSULE_ID.test(id) || id.length > MAX_ID) throw cliErrors.create("CAPSULE_ID_INVALID", { id });
  const root = resolve(dir);
  const asTyped = { path: root, id, flags: language === "typescript" ? "" : ` --language ${language}` };
  if (existsSync(root)) throw cliErrors.create("CLI_FILE_EXISTS", asTyped);
  const files = templateFiles(id, language);
  const { makePath, refusalToWrite } = await import("@vnes/registry");
  try {
    for (const [path, text] of files) {
      const file = join(root, path);
      makePath(dirname(file), 0o777);
      await writeFile(file, text, { flag: "wx" });
    }
  } catch (cause) {
    // Half a capsule would be in the way of the next attempt.
    rmSync(root, { recursive: true, force: true });
    const reason = refusalToWrite(root) ?? (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw cliErrors.create("CLI_WRITE_FAILED", { ...asTyped, reason }, cause);
  }
  return files.map(([path]) => path);
}
