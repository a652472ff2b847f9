/** Who changes between a ledger of the node's own and one on NATS is told what is left behind. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { otherLedger } from "../src/node/other-ledger.ts";

test("a ledger that is left behind is named when another one begins, once, and not to who stays", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "vnes-other-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const paths = { ledger: join(dir, "ledger.sqlite"), instance: join(dir, "instance") };
  assert.deepEqual([otherLedger(paths, false), otherLedger(paths, true)], [undefined, undefined]);
  writeFileSync(paths.ledger, "");
  assert.equal(otherLedger(paths, false), undefined);
  assert.match(otherLedger(paths, true) ?? "", /ledger of its own, .*ledger\.sqlite/);
  writeFileSync(paths.instance, "");
  assert.deepEqual([otherLedger(paths, false), otherLedger(paths, true)], [undefined, undefined]);
  rmSync(paths.ledger);
  assert.equal(otherLedger(paths, true), undefined);
  assert.match(otherLedger(paths, false) ?? "", /had its ledger on NATS/);
});
