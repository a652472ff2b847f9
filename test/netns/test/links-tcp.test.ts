/** A session over TCP, and real routes, interfaces and addresses that go. */
import { test } from "node:test";
import { BREAKS, outlives } from "../breaks.ts";
import { namespacesMissing } from "../namespaces.ts";
import { openTwoNodes } from "../nodes.ts";

const skip = namespacesMissing() ?? false;
const POLICY = { cooldownMs: 0, maxSwitchesPerMinute: 600, probeMs: 500 };

test("over TCP, whose sends the system takes for a while all the same, the session goes on too", {
  skip,
}, async () => {
  await using nodes = await openTwoNodes({ kind: "tcp", client: { policy: POLICY } });
  // A stream says nothing of routes: what is told comes from the list of addresses, or from silence.
  const told = ["ADDRESSES_CHANGED", "PATH_SILENT"];
  const some = BREAKS.filter(({ what }) => /route is withdrawn|another address|deleted/.test(what));
  await outlives(
    nodes,
    some.map((one) => ({ ...one, reasons: told })),
  );
});
