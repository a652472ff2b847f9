import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ledgerGroupOf, sharedGroups } from "../../src/placement/ledger-group.ts";
import { isNodeShard, shardNames } from "../../src/placement/shard-names.ts";
import { isOwn, ownerOf, ownerTable, ownGroups } from "../../src/placement/owner-table.ts";

const owners = { east: [0, 2], west: [1, 3] };

function tableOf(node: string): ReturnType<typeof ownerTable> & { readonly ok: true } {
  const made = ownerTable({ groups: 4, owners }, node);
  assert.ok(made.ok);
  return made;
}

test("every shard has one owner, the same whoever asks; a node's own shard is always its own", () => {
  const east = tableOf("east").table;
  const west = tableOf("west").table;
  assert.equal(east.fingerprint, west.fingerprint);
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 40 }), (shard) => {
      const owner = ownerOf(east, `x${shard}/0`);
      assert.equal(owner, ownerOf(west, `x${shard}/0`));
      assert.equal(isOwn(east, `x${shard}/0`), owner === "east");
      assert.ok(sharedGroups(4).includes(ledgerGroupOf(`x${shard}/0`, 4)));
    }),
  );
  assert.equal(ownerOf(west, "kernel/east"), "east");
  assert.equal(ownerOf(east, "branch/west/b1/test.tally/0"), "west");
  assert.equal(ownerOf(east, "test.desk/0@west"), "west");
  assert.equal(ownerOf(west, "branch/east/b1/test.desk/0@west"), "east");
  assert.equal(ownerOf(east, "kernel/north"), undefined);
  assert.deepEqual(ownGroups(east), ["g0", "g2", "node-east"]);
});

test("a capsule placed on each node has one shard there, named after the node unless it stands alone", () => {
  const desk = { id: "test.desk", state: { owns: [], placement: "each_node" } } as const;
  assert.deepEqual(shardNames(desk, { node: "east", isAlone: false }), ["test.desk/0@east"]);
  assert.deepEqual(shardNames(desk, { node: "east", isAlone: true }), ["test.desk/0"]);
  const spread = { id: "test.tally", state: { owns: [], shards: 3 } };
  for (const isAlone of [true, false]) {
    const names = shardNames(spread, { node: "east", isAlone });
    assert.deepEqual(names, ["test.tally/0", "test.tally/1", "test.tally/2"]);
    assert.ok(!names.some(isNodeShard));
  }
});

test("a table that leaves a group out, names one twice, or not this node, is refused with what is wrong", () => {
  const problem = (config: Parameters<typeof ownerTable>[0], node = "east"): string => {
    const made = ownerTable(config, node);
    return made.ok ? "" : made.problem;
  };
  assert.equal(problem({ groups: 4, owners: { east: [0, 1, 3] } }), "nobody owns group 2");
  assert.equal(
    problem({ groups: 2, owners: { east: [0, 1], west: [1] } }),
    "group 1 is owned by east and by west",
  );
  assert.equal(problem({ groups: 2, owners: { east: [0, 2] } }), "east owns group 2, and groups are 0 to 1");
  assert.equal(problem({ groups: 4, owners }, "north"), "it does not name this node, north");
  assert.match(problem({ groups: 0, owners }), /1 to 256 groups, not 0/);
  assert.notEqual(
    tableOf("east").table.fingerprint,
    (
      ownerTable({ groups: 4, owners: { east: [0, 1], west: [2, 3] } }, "east") as {
        table: { fingerprint: string };
      }
    ).table.fingerprint,
  );
});
