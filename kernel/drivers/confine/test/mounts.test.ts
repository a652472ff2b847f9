/** Paths a program reads, as binds and links of an empty root. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { mountsOf } from "../src/mounts.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "vnes-mounts-")));
after(() => rmSync(root, { recursive: true }));
const at = (path: string): string => join(root, path);
for (const folder of ["a/b", "packages/one", "node_modules/@x"]) mkdirSync(at(folder), { recursive: true });
writeFileSync(at("a/b/file"), "");
symlinkSync("../../packages/one", at("node_modules/@x/one"));
symlinkSync("a", at("link"));
symlinkSync(at("link"), at("further"));
symlinkSync("round", at("round"));
symlinkSync("file", at("a/b/inner"));

const bind = (path: string): object => ({ kind: "bind", path: at(path) });
const link = (path: string, target: string): object => ({ kind: "link", path: at(path), target });

test("a link is made again and what it leads to is bound, in a path's middle too", () => {
  assert.deepEqual(mountsOf([at("node_modules/@x/one")]), [
    link("node_modules/@x/one", "../../packages/one"),
    bind("packages/one"),
  ]);
  assert.deepEqual(mountsOf([at("further/b/inner")]), [
    link("further", at("link")),
    link("link", "a"),
    link("a/b/inner", "file"),
    bind("a/b/file"),
  ]);
});

test("what lies in a bound folder is not named again, whatever the order", () => {
  const paths = [at("a/b/file"), at("a"), at("a/b"), at("a/b/inner")];
  for (const order of [paths, paths.toReversed()]) assert.deepEqual(mountsOf(order), [bind("a")]);
});

test("what is not there, or leads round, is left out; a name that only begins alike is another folder", () => {
  mkdirSync(at("ab"));
  assert.deepEqual(
    mountsOf([at("nowhere"), at("nowhere/else"), at("round")]).filter(({ kind }) => kind === "bind"),
    [],
  );
  assert.deepEqual(mountsOf([at("a"), at("ab")]), [bind("a"), bind("ab")]);
});
