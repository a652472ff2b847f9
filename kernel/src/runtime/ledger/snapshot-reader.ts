/** Reads a snapshot back: every chunk under its own hash, or none of it. */
import { decodeRecord, snapshotOf } from "../../ledger/record.ts";
import { emptyShard, type ShardState, sizeOfAll } from "../../ledger/shard-state.ts";
import {
  decodeChunk,
  type KeptSnapshot,
  mapOf,
  SECTION_NAMES,
  type Snapshot,
} from "../../ledger/snapshot.ts";
import { isVnesError } from "@vnes/schemas";
import { kernelErrors } from "../../errors.ts";
import type { Digest } from "../../ports/digest.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";
import type { WrittenState } from "./snapshot-writer.ts";

/** Throws `LEDGER_RECORD_INVALID` when there is no snapshot at `seq`. */
export async function readSnapshot(store: LedgerStore, shard: string, seq: number): Promise<Snapshot> {
  const [stored] = await store.read(shard, seq, 1);
  const snapshot = stored?.seq === seq ? snapshotOf(decodeRecord(shard, seq, stored.bytes)) : undefined;
  if (snapshot !== undefined) return snapshot;
  throw kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem: "it should hold a snapshot" });
}

/** The snapshot in the newest snapshot record and those it says are kept, newest first; empty for a shard without. */
export async function listSnapshots(store: LedgerStore, shard: string): Promise<readonly KeptSnapshot[]> {
  const seq = await store.lastSnapshot(shard);
  if (seq === 0) return [];
  const { through, scalars, kept } = await readSnapshot(store, shard, seq);
  return [{ seq, through, at: scalars.at }, ...[...kept].reverse()];
}

/** The state the snapshot holds. Throws `SNAPSHOT_CHUNK_DAMAGED` for a chunk that is missing or not what it was. */
export async function loadSnapshot(
  store: LedgerStore,
  shard: string,
  seq: number,
  snapshot: Snapshot,
  digest: Digest,
): Promise<{ readonly state: ShardState; readonly written: WrittenState }> {
  const known: readonly string[] = SECTION_NAMES;
  const strange = Object.keys(snapshot.sections).find((name) => !known.includes(name));
  if (strange !== undefined) {
    const problem = `its snapshot has a section ${strange}, which this version does not know`;
    throw kernelErrors.create("LEDGER_RECORD_INVALID", { shard, seq, problem });
  }
  const state = emptyShard(shard);
  const sizes = new Map<string, number>();
  Object.assign(state, snapshot.scalars, { seq: snapshot.through });
  for (const section of SECTION_NAMES) {
    const map = mapOf(state, section);
    for (const name of snapshot.sections[section]?.buckets.flat() ?? []) {
      const { size, entries } = await loadChunk(store, shard, seq, name, digest);
      sizes.set(name, size);
      for (const [key, value] of entries) map.load(key, value);
    }
  }
  // Chunks are in the order of names; effects leave in the order they were asked for.
  state.outbox.sortLoaded();
  state.size = sizeOfAll(state);
  return { state, written: { sections: snapshot.sections, sizes } };
}

async function loadChunk(
  store: LedgerStore,
  shard: string,
  seq: number,
  chunk: string,
  digest: Digest,
): Promise<{ readonly size: number; readonly entries: NonNullable<ReturnType<typeof decodeChunk>> }> {
  let problem = "it is missing";
  let cause: unknown;
  try {
    const bytes = await store.readChunk(shard, chunk);
    const entries = bytes === undefined ? undefined : decodeChunk(chunk, bytes, digest);
    if (bytes !== undefined && entries !== undefined) return { size: bytes.length, entries };
    if (bytes !== undefined) problem = "its bytes do not carry its name's hash";
  } catch (error) {
    // A store that notices damage by itself; anything else it says is about the store, not about the chunk.
    if (!isVnesError(error) || error.code !== "LEDGER_FILE_CORRUPT") throw error;
    problem = error.message;
    cause = error;
  }
  throw kernelErrors.create("SNAPSHOT_CHUNK_DAMAGED", { shard, seq, chunk, problem }, cause);
}
