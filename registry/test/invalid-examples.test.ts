/** Every invalid example of a document a capsule holds, put into a capsule: `verify` refuses it with the code and pointer. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { buildCapsule, openAuthority, verifyCapsule } from "@vnes/registry";
import { scratch, writeCapsule } from "./scratch.ts";

const EXAMPLES = new URL("../../schemas/examples/", import.meta.url);
/** Where each document stands in a capsule. */
const PLACES = {
  manifest: "manifest.json",
  receipt: "receipt.stunir.json",
  topic: "spec/topics/example.v1.json",
} as const;

for (const [document, place] of Object.entries(PLACES)) {
  const folder = new URL(`${document}/invalid/`, EXAMPLES);
  const names = readdirSync(folder).filter(
    (name) => name.endsWith(".json") && !name.endsWith(".expected.json"),
  );
  assert.ok(names.length > 0, document);
  for (const name of names) {
    test(`a capsule with ${document}/invalid/${name} is refused with its code and place`, async (t) => {
      const dir = scratch(t);
      const authority = await openAuthority(join(dir, "config"));
      const capsule = writeCapsule(join(dir, "capsule"));
      await buildCapsule(capsule, { authority });
      mkdirSync(dirname(join(capsule, place)), { recursive: true });
      copyFileSync(new URL(name, folder), join(capsule, place));
      const expected = JSON.parse(
        readFileSync(new URL(name.replace(/json$/, "expected.json"), folder), "utf8"),
      ) as { readonly code: string; readonly pointer: string };
      const options = { trust: authority.trust(), policy: authority.policy };
      const { verdict } = await verifyCapsule(capsule, options);
      assert.equal(verdict.kind, "quarantined");
      const reasons = verdict.kind === "quarantined" ? verdict.reasons : [];
      const found = reasons
        .filter(({ file }) => file === place)
        .map(({ code, pointer }) => ({ code, pointer }));
      assert.ok(
        found.some(({ code, pointer }) => code === expected.code && pointer === expected.pointer),
        `${JSON.stringify(expected)} not in ${JSON.stringify(found)}`,
      );
    });
  }
}

test("a capsule with every valid manifest example's fields is judged, not thrown at", async (t) => {
  const folder = new URL("manifest/valid/", EXAMPLES);
  const dir = scratch(t);
  const authority = await openAuthority(join(dir, "config"));
  const capsule = writeCapsule(join(dir, "capsule"));
  await buildCapsule(capsule, { authority });
  for (const name of readdirSync(folder)) {
    writeFileSync(join(capsule, "manifest.json"), readFileSync(new URL(name, folder)));
    const options = { trust: authority.trust(), policy: authority.policy };
    const { verdict } = await verifyCapsule(capsule, options);
    assert.equal(verdict.kind, "quarantined", name);
  }
});
