/** What a command reads before it knows what it is asked: each of them pays for it, each time. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../..", import.meta.url).href;
const MAIN = fileURLToPath(new URL("cli/src/main.ts", ROOT));
/** Says the URL of each module as it is read. */
const SAY_LOADED = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { console.log(url); return next(url, context); } });
`)}`;

test("a command reads neither the kernel nor a driver nor the registry before it needs them", () => {
  const flags = ["--import", SAY_LOADED, "--conditions=source", "--disable-warning=ExperimentalWarning"];
  const loaded = execFileSync(process.execPath, [...flags, MAIN, "--version"], { encoding: "utf8" }).split(
    "\n",
  );
  assert.ok(loaded.includes(`${ROOT}cli/src/commands/boot.ts`), "what is read is seen");
  assert.deepEqual(
    loaded.filter((url) =>
      ["kernel", "registry", "sdk", "capsules"].some((part) => url.startsWith(`${ROOT}${part}/`)),
    ),
    [],
  );
});
