/** A state as plain JSON, to be compared. */
import type { ShardState } from "../../src/ledger/shard-state.ts";
import { mapOf, SECTION_NAMES } from "../../src/ledger/snapshot.ts";

/** Everything a state is, whatever the order its maps came to hold it in; the outbox in its order. */
export function plain(state: ShardState): unknown {
  const { shard, seq, at, image, size } = state;
  const maps = SECTION_NAMES.map((name) => {
    const entries = [...mapOf(state, name)];
    return [name, name === "outbox" ? entries : entries.sort(([a], [b]) => (a < b ? -1 : 1))];
  });
  return JSON.parse(JSON.stringify({ shard, seq, at, image, size, maps }));
}
