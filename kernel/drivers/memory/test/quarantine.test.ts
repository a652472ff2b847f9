import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryQuarantine } from "@vnes/driver-memory";
import { quarantineContract } from "../../../contracts/quarantine.ts";

quarantineContract({
  name: "memory",
  open: async () => {
    const quarantine = new MemoryQuarantine();
    return { quarantine, reopen: () => quarantine, cleanup: async () => {} };
  },
});

test("what is quarantined in memory is kept whole", async () => {
  const quarantine = new MemoryQuarantine();
  const nothing = { origin: "here", id: null, version: null, image: null, at: 5, reasons: [] };
  const refused = { ...nothing, evidence: { a: 1 } };
  const { entry } = await quarantine.put(refused);
  assert.equal(quarantine.refused(entry), refused);
});
