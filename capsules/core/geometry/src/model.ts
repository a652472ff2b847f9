/** What both models are to those who ask: an estimate of a round trip, or that none can be given. */
import type { Told } from "./config.ts";
import { type Coordinate, distance } from "./vivaldi.ts";

export type Estimate = {
  readonly to: string;
  /** Null: nothing is known of one of the two. */
  readonly rttMs: number | null;
  /** Share of `rttMs` it is expected to be wrong by, 0 to 1. */
  readonly error: number | null;
};

export type Model = (from: string, to: string) => Estimate;

/** As wrong as the worse known of the two ends. */
export function vivaldi(coordinateOf: (peer: string) => Coordinate | undefined): Model {
  return (from, to) => {
    const [a, b] = [coordinateOf(from), coordinateOf(to)];
    if (a === undefined || b === undefined) return unknown(to);
    if (from === to) return { to, rttMs: 0, error: 0 };
    return { to, rttMs: distance(a, b), error: a.error < b.error ? b.error : a.error };
  };
}

/** What a person wrote is taken as it is. */
export function fromTable(table: readonly Told[]): Model {
  return (from, to) => {
    const told = table.find(
      (one) => (one.from === from && one.to === to) || (one.from === to && one.to === from),
    );
    if (told === undefined) return from === to ? { to, rttMs: 0, error: 0 } : unknown(to);
    return { to, rttMs: told.rttMs, error: 0 };
  };
}

function unknown(to: string): Estimate {
  return { to, rttMs: null, error: null };
}
