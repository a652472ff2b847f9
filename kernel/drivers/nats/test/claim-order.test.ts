/** Two that claim the same groups at the same moment: one goes on, whichever, and the other is refused by name. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isVnesError } from "@vnes/schemas";
import { record } from "../../../contracts/ledger-store.ts";
import { startNatsServers } from "./nats-servers.ts";
import { closeConnections, dropNamespace, freshNamespace, openNode } from "./opened.ts";

/** Who comes first is chance: every round is another. */
const ROUNDS = 5;
const OWNS = Array.from({ length: 16 }, (_, group) => `g${group}`);
const LAYOUT = { groups: OWNS.length, owns: OWNS, groupOf: (shard: string) => shard, leaseMs: 1_000 };

const servers = await startNatsServers();
after(async () => {
  await closeConnections();
  await servers[Symbol.asyncDispose]();
});

type Opened = Awaited<ReturnType<typeof openNode>>;

/** Round after round: both at once, on streams that are there already, so that nothing but the claims is between them. */
async function rounds(
  nodes: readonly string[],
  check: (opened: readonly Opened[], refused: readonly string[]) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const namespace = freshNamespace();
    await (await openNode(servers.urls, namespace, "before", LAYOUT)).close();
    const opened: Opened[] = [];
    const refused: string[] = [];
    const opening = nodes.map(async (node) => {
      await openNode(servers.urls, namespace, node, { ...LAYOUT, owns: namedBy(node) }).then(
        (one) => opened.push(one),
        (error: unknown) => refused.push(codeOf(error)),
      );
    });
    await Promise.all(opening);
    await check(opened, refused);
    for (const one of opened) await one.close();
    await dropNamespace(servers.urls, namespace);
  }
}

/** Whatever order their tables name them in. */
function namedBy(node: string): readonly string[] {
  return node === "b" ? OWNS.toReversed() : OWNS;
}

function codeOf(error: unknown): string {
  assert.ok(isVnesError(error), String(error));
  return error.code;
}

/** How an append to each of the groups ends; those that end alike are said once. */
async function writesAll({ store }: Opened): Promise<string> {
  const ends = OWNS.map(
    async (group) => await store.append(group, 0, [record("1")]).then(() => "kept", codeOf),
  );
  return [...new Set(await Promise.all(ends))].join();
}

test("of two nodes that claim the same groups at the same moment one gets all of them and the other is refused (J3)", async () => {
  await rounds(["a", "b"], async (opened, refused) => {
    assert.deepEqual(refused, ["LEDGER_IN_USE"]);
    for (const one of opened) assert.equal(await writesAll(one), "kept");
  });
});

test("of two with one identity, as a copied disk makes them, one goes on and the other is fenced everywhere (J3)", async () => {
  await rounds(["a", "a"], async (opened, refused) => {
    const ends = [...refused];
    for (const one of opened) ends.push(await writesAll(one));
    assert.equal(ends.filter((end) => end === "kept").length, 1, ends.join("; "));
    assert.ok(
      ends.some((end) => end === "LEDGER_CLAIMED" || end === "LEDGER_SEQUENCE_CONFLICT"),
      ends.join("; "),
    );
  });
});
