/**
 * Where the records of a group's shards are: for each shard the runs of records that lie in one message, by first seq and
 * stream sequence. Two numbers a run; nothing of the records themselves. Pure, and changed in place.
 */

interface ShardRuns {
  /** First seqs of the runs, ascending. */
  readonly seqs: number[];
  /** Stream sequence of each run; of the last part where a batch has several. */
  readonly at: number[];
  /** Oldest record that counts: older ones of the first run are trimmed. */
  first: number;
  head: number;
  snapshot: number;
}

export interface RunPlace {
  readonly seq: number;
  /** Seq after the last record of the run. */
  readonly end: number;
  readonly at: number;
}

export class ShardIndex {
  readonly #shards = new Map<string, ShardRuns>();

  /** Seq of the last record, 0 for none. */
  head(shard: string): number {
    return this.#shards.get(shard)?.head ?? 0;
  }

  /** Seq of the oldest record kept, 0 for none. */
  first(shard: string): number {
    return this.#shards.get(shard)?.first ?? 0;
  }

  snapshot(shard: string): number {
    return this.#shards.get(shard)?.snapshot ?? 0;
  }

  names(): readonly string[] {
    return [...this.#shards.keys()].sort();
  }

  append(shard: string, seq: number, count: number, at: number): void {
    const runs = this.#shards.get(shard) ?? { seqs: [], at: [], first: seq, head: 0, snapshot: 0 };
    this.#shards.set(shard, runs);
    // Appends of one message follow on each other.
    if (runs.at.at(-1) !== at) {
      runs.seqs.push(seq);
      runs.at.push(at);
    }
    runs.head = seq + count - 1;
  }

  markSnapshot(shard: string, seq: number): void {
    const runs = this.#shards.get(shard);
    if (runs !== undefined && seq > runs.snapshot) runs.snapshot = seq;
  }

  /** The records `[seq, seq + count)` are in another message too, and from now on read from there. */
  carry(shard: string, seq: number, count: number, at: number): void {
    const runs = this.#shards.get(shard);
    if (runs === undefined) {
      this.append(shard, seq, count, at);
      return;
    }
    // Carried are the oldest runs, whole, from the first record that counts.
    let covered = 0;
    while (covered < runs.seqs.length && (runs.seqs[covered] as number) < seq + count) covered++;
    runs.seqs.splice(0, covered, seq);
    runs.at.splice(0, covered, at);
    if (seq < runs.first) runs.first = seq;
  }

  trim(shard: string, before: number): void {
    const runs = this.#shards.get(shard);
    if (runs === undefined || before <= runs.first) return;
    runs.first = Math.min(before, runs.head);
    let dropped = 0;
    while (dropped + 1 < runs.seqs.length && (runs.seqs[dropped + 1] as number) <= runs.first) dropped++;
    runs.seqs.splice(0, dropped);
    runs.at.splice(0, dropped);
  }

  /** Runs with records in `[from, from + limit)`, in order. */
  runs(shard: string, from: number, limit: number): readonly RunPlace[] {
    const runs = this.#shards.get(shard);
    if (runs === undefined) return [];
    const places: RunPlace[] = [];
    const start = Math.max(from, runs.first);
    for (let index = runOf(runs.seqs, start); index < runs.seqs.length; index++) {
      const place = placeAt(runs, index);
      if (place.seq >= start + limit) break;
      if (place.end > start) places.push(place);
    }
    return places;
  }

  /** Stream sequence of the earliest message a kept record is in; undefined without records. */
  earliest(): number | undefined {
    let earliest: number | undefined;
    for (const { at } of this.#shards.values()) {
      const [first = 0] = at;
      if (earliest === undefined || first < earliest) earliest = first;
    }
    return earliest;
  }

  /** The oldest kept records of each shard that lie in messages before `at`: from `first` up to `end`. */
  before(at: number): readonly { readonly shard: string; readonly first: number; readonly end: number }[] {
    return [...this.#shards].flatMap(([shard, runs]) => {
      let count = 0;
      while (count < runs.at.length && (runs.at[count] as number) < at) count++;
      return count === 0 ? [] : [{ shard, first: runs.first, end: placeAt(runs, count - 1).end }];
    });
  }

  /** Shards whose oldest message also holds records that were trimmed, with their first seq. */
  partlyTrimmed(): readonly { readonly shard: string; readonly first: number }[] {
    return [...this.#shards].flatMap(([shard, { seqs, first }]) =>
      (seqs[0] as number) < first ? [{ shard, first }] : [],
    );
  }
}

function placeAt(runs: ShardRuns, index: number): RunPlace {
  return {
    seq: runs.seqs[index] as number,
    end: runs.seqs[index + 1] ?? runs.head + 1,
    at: runs.at[index] as number,
  };
}

/** The last run that starts at or before `seq`; the first one when all start later. */
function runOf(seqs: readonly number[], seq: number): number {
  let low = 0;
  let high = seqs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((seqs[middle] as number) <= seq) low = middle + 1;
    else high = middle;
  }
  return Math.max(low - 1, 0);
}
