/** `docs/counters.md`, and of the transport `docs/channel.md`, name every counter the code can count, and no other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { countedNames } from "./counted-names.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NAME = /`([^`]+)`/g;

function section(page: string, heading: string): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  const from = text.indexOf(`\n## ${heading}\n`);
  assert.ok(from >= 0, `${page}: ${heading}`);
  const to = text.indexOf("\n## ", from + 1);
  return text.slice(from, to < 0 ? text.length : to);
}

/** As in the sources: what is filled in is `*`. */
const pattern = (written: string): string => written.replaceAll(/<\w+>/g, "*");

/** First column of every table of a section. */
function inTables(heading: string): ReadonlySet<string> {
  const rows = section("counters.md", heading).matchAll(/^\| `([^`]+)` \|/gm);
  return new Set([...rows].map(([, name = ""]) => pattern(name)));
}

function mustAgree(coded: ReadonlySet<string>, written: ReadonlySet<string>): void {
  // A name that a row with a blank stands for needs none of its own.
  const stands = (name: string): boolean => {
    const blank = `${name.slice(0, name.lastIndexOf("."))}.*`;
    return written.has(name) || (name.includes(".") && written.has(blank));
  };
  assert.deepEqual([...coded].filter((name) => !stands(name)).sort(), [], "counted, and in no page");
  assert.deepEqual(
    [...written].filter((name) => !coded.has(name)).sort(),
    [],
    "in a page, and never counted",
  );
}

const KERNEL = ["kernel/src/{bus,cluster,ledger,link,placement,runtime,state}/**/*.ts", "cli/src/**/*.ts"];

test("every counter of a node is in docs/counters.md, and every one there is counted", () => {
  const wire = [...countedNames(ROOT, ["kernel/src/messenger/*.ts"])].map((name) => `messenger.${name}`);
  mustAgree(new Set([...countedNames(ROOT, KERNEL), ...wire]), inTables("Of a node"));
});

for (const [capsule, heading] of [
  ["session", "Of the session capsule"],
  ["gateway", "Of the gateway"],
  ["client", "Of the client"],
] as const) {
  test(`every counter of the VPN's ${capsule} is in docs/counters.md, and every one there is counted`, () => {
    mustAgree(countedNames(ROOT, [`capsules/vpn/${capsule}/src/*.ts`]), inTables(heading));
  });
}

test("every counter of the transport is in docs/channel.md, and every one there is counted", () => {
  const page = section("channel.md", "What is dropped, by its counter").matchAll(NAME);
  const written = [...page].flatMap(([, name = ""]) => (name.startsWith("vpn.") ? [] : [name]));
  mustAgree(countedNames(ROOT, ["capsules/vpn/transport/src/*.ts"]), new Set(written));
});
