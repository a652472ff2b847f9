import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { duration, harmless, table } from "../src/output/text.ts";
import { homePaths, nodePaths } from "../src/paths.ts";
import { nearest } from "../src/usage.ts";

test("nothing from outside can move a terminal's cursor", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const shown = table([{ text }], [{ title: "t", value: (row) => row.text }]);
      const [, ...rest] = shown.split("\n");
      assert.equal(rest.length, 1);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      assert.doesNotMatch(harmless(text), /[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});

test("a slip of a key finds its word, another word does not", () => {
  const words = ["status", "session", "capsule", "boot"];
  assert.equal(nearest("statsu", words), "status");
  assert.equal(nearest("bot", words), "boot");
  assert.equal(nearest("frobnicate", words), undefined);
  assert.equal(nearest("release", ["list", "show", "delete"]), undefined);
});

test("durations read as people say them", () => {
  assert.deepEqual([12.4, 1500, 61_000, 7_500_000, 200_000_000].map(duration), [
    "12 ms",
    "1.5 s",
    "1 min",
    "2 h 5 min",
    "2 d",
  ]);
});

test("VNES_HOME holds everything; without it the XDG directories, relative ones ignored", () => {
  const none = {
    home: "/h",
    vnesHome: undefined,
    xdgConfig: undefined,
    xdgData: undefined,
    xdgCache: undefined,
  };
  assert.equal(homePaths(none, undefined).configDir, "/h/.config/vnes");
  assert.equal(homePaths({ ...none, xdgData: "/x" }, undefined).dataDir, "/x/vnes");
  assert.equal(homePaths({ ...none, xdgData: "x" }, undefined).dataDir, "/h/.local/share/vnes");
  const one = homePaths({ ...none, vnesHome: "/v" }, undefined);
  assert.deepEqual([one.configDir, one.dataDir], ["/v/config", "/v/data"]);
  assert.equal(homePaths({ ...none, vnesHome: "/v" }, "/flag").dataDir, "/flag/data");
  assert.equal(nodePaths(one, "local", undefined).controlSocket, "/v/data/nodes/local/control.sock");
});
