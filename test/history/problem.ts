/**
 * What a history must keep, by number; a problem names the rule it breaks. Pure, and the same for a simulated run and a
 * real one.
 *
 * H1. Every record follows from the one before it: chains verify, `seq` has no gap.
 * H2. `at` never decreases within a shard.
 * H3. An event is in its partition once, as it was published, after the record that published it; a publisher's events
 *     keep their order.
 * H4. A subscriber's shard consumes the events of its keys in the partition's order, each exactly once.
 * H5. What a shard receives of another was asked for by a durable record of that one, and is received once, in order.
 * H6. A call ends exactly once, and an answer answers a call.
 * H7. A timer rings when it was set, not before it is due, and once.
 * H8. What was acknowledged is in the ledger, was there when it was acknowledged, and happened once.
 * H9. What clients saw of one key can be put in an order that fits real time and the key's model (linearizability).
 * H10. A failed turn leaves nothing but what the kernel says in its place: an answer, or a dead letter for an event.
 * H11. A turn sees what the turns before it wrote, and nothing else: a key that counts goes up by one with each write.
 * H12. What a read told of another's keys is what they were at the record it names; a compare-and-set found the version it
 *     expected; a key with a time to live goes when its time has come and not before.
 * H13. An event of an `at_most_once` topic was published by a durable record, is taken at most once by each subscriber,
 *     by the shard of its key, and behind those before it of its publisher and partition. Whether it is taken at all nobody promises.
 */
export type Rule = `H${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13}`;

export interface Problem {
  readonly rule: Rule;
  /** The shard or key it is about. */
  readonly where: string;
  readonly what: string;
}

export function describeProblem({ rule, where, what }: Problem): string {
  return `${rule} ${where}: ${what}`;
}
