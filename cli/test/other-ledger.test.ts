/** Who changes between a ledger of the node's own and one on NATS is told which one it is and what is left behind. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { otherLedger } from "../src/node/other-ledger.ts";

test("a boot beside another ledger says so: with a warning where one begins, and again each time where both are there", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "vnes-other-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const paths = { ledger: join(dir, "ledger.sqlite"), instance: join(dir, "instance") };
  const said = (isOnBus: boolean) => {
    const other = otherLedger(paths, isOnBus);
    return other === undefined ? "nothing" : `${other.level}: ${other.text.replaceAll(paths.ledger, "FILE")}`;
  };
  assert.deepEqual([said(false), said(true)], ["nothing", "nothing"]);
  writeFileSync(paths.ledger, "");
  assert.equal(said(false), "nothing");
  assert.match(said(true), /^warn: .*ledger of its own, FILE/);
  writeFileSync(paths.instance, "");
  assert.match(said(false), /^info: .*goes on with its ledger in FILE; what it kept on NATS .* is not in it/);
  assert.match(said(true), /^info: .*goes on with its ledger on NATS; what it kept in FILE is not in it/);
  rmSync(paths.ledger);
  assert.equal(said(true), "nothing");
  assert.match(said(false), /^warn: .*had its ledger on NATS/);
});
