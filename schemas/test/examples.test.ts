import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type Parsed,
  parseExecutionReceipt,
  parseManifest,
  parseNodeConfig,
  parsePolicy,
  parsePublicKey,
  parseReceipt,
  parseTopicDefinition,
  parseTrust,
  schemaErrors,
} from "@vnes/schemas";

const PARSERS: { readonly [document: string]: (bytes: Uint8Array) => Parsed<unknown> } = {
  manifest: parseManifest,
  receipt: parseReceipt,
  "execution-receipt": parseExecutionReceipt,
  trust: parseTrust,
  "public-key": parsePublicKey,
  policy: parsePolicy,
  topic: parseTopicDefinition,
  "node-config": parseNodeConfig,
};

const examples = new URL("../examples/", import.meta.url);
const namesIn = (folder: string): string[] =>
  readdirSync(new URL(folder, examples)).filter(
    (name) => name.endsWith(".json") && !name.endsWith(".expected.json"),
  );

test("every document has examples of both kinds, and every folder of examples a parser", () => {
  assert.deepEqual(readdirSync(examples).sort(), Object.keys(PARSERS).sort());
});

for (const [document, parse] of Object.entries(PARSERS)) {
  for (const name of namesIn(`${document}/valid/`)) {
    test(`${document}/valid/${name} is accepted`, () => {
      const parsed = parse(readFileSync(new URL(`${document}/valid/${name}`, examples)));
      assert.deepEqual(parsed.ok ? [] : parsed.problems, []);
    });
  }
  for (const name of namesIn(`${document}/invalid/`)) {
    test(`${document}/invalid/${name} is refused with the code and pointer beside it`, () => {
      const expected = JSON.parse(
        readFileSync(
          new URL(`${document}/invalid/${name.replace(/json$/, "expected.json")}`, examples),
          "utf8",
        ),
      ) as { code: string; pointer: string };
      const parsed = parse(readFileSync(new URL(`${document}/invalid/${name}`, examples)));
      assert.equal(parsed.ok, false);
      const found = parsed.ok ? [] : parsed.problems.map(({ code, pointer }) => ({ code, pointer }));
      assert.ok(
        found.some(({ code, pointer }) => code === expected.code && pointer === expected.pointer),
        `expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`,
      );
      for (const { code } of found) assert.ok(code in schemaErrors.entries, code);
    });
  }
}

test("the published manifest validates without a warning; what open objects keep is warned about", () => {
  const read = (name: string): Parsed<unknown> =>
    parseManifest(readFileSync(new URL(`manifest/valid/${name}`, examples)));
  const published = read("published-fault-detection.json");
  assert.deepEqual(published.ok && published.warnings, []);
  const open = read("open-objects.json");
  assert.deepEqual(open.ok && open.warnings.map(({ pointer }) => pointer), [
    "/governance/board",
    "/security/seal",
  ]);
});
