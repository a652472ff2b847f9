import assert from "node:assert/strict";
import { test } from "node:test";
import { isNodeName, parseNodeConfig } from "@vnes/schemas";

test("a node is called the same things by a flag and in a file", () => {
  for (const [name, fits] of [
    ["a", true],
    ["east-1", true],
    ["n".repeat(40), true],
    ["n".repeat(41), false],
    ["", false],
    ["-a", false],
    ["a-", false],
    ["a.b", false],
    ["A", false],
  ] as const) {
    assert.equal(isNodeName(name), fits, name);
    const file = Buffer.from(JSON.stringify({ schema_version: "v1", node: name }));
    assert.equal(parseNodeConfig(file).ok, fits, name);
  }
});
