/**
 * Network coordinates from measured round trips: Vivaldi (Dabek, Cox, Kaashoek, Morris, SIGCOMM 2004) with adaptive
 * timestep, error weights and height vectors. Pure, and bit-exact wherever it runs: of arithmetic it uses only
 * + - * / and the square root, which IEEE 754 rounds correctly.
 *
 * A sample moves both of its ends: a round trip is as long one way round as the other, and here, unlike in the paper, both
 * coordinates are held by one owner. A peer that only answers is placed too.
 *
 * GE1. One sample moves a peer by at most `MAX_STEP_MS`, whatever it says.
 * GE2. Coordinates stay within `MAX_RADIUS_MS`, heights within `MAX_RTT_MS`, errors within 0 and 1; all are finite, none is -0.
 */

export type Coordinate = {
  readonly x: number;
  readonly y: number;
  /** What every path of the peer costs before it reaches the plane. */
  readonly height: number;
  /** Share of a round trip that an estimate is expected to be wrong by: 1 knows nothing. */
  readonly error: number;
};

/** A round trip of a minute is an outage, and a microsecond is below what anybody here measures. */
export const MAX_RTT_MS = 60_000;
const MIN_RTT_MS = 0.001;
/** The paper's c_e and c_c. */
const ERROR_GAIN = 0.25;
const STEP_GAIN = 0.25;
/**
 * One sample is pulled by no more than this, so that one lie is worth no more than a bad measurement. Two peers a continent
 * apart need a few more samples for it.
 */
const MAX_FORCE_MS = 100;
export const MAX_STEP_MS: number = MAX_FORCE_MS * STEP_GAIN;
/** Twice the longest round trip: any true arrangement fits. */
export const MAX_RADIUS_MS: number = 2 * MAX_RTT_MS;
/** A height of 0 could never grow again. */
const MIN_HEIGHT_MS = 0.01;
/** Closer than this two peers are at one place: the squares of smaller numbers lose the bits that a direction needs. */
const SAME_PLACE_MS = 1e-9;
/** An error of 0 would never listen again. */
const MIN_ERROR = 0.001;

export const ORIGIN: Coordinate = { x: 0, y: 0, height: MIN_HEIGHT_MS, error: 1 };

export function isRtt(rttMs: number): boolean {
  return rttMs >= MIN_RTT_MS && rttMs <= MAX_RTT_MS;
}

export function distance(a: Coordinate, b: Coordinate): number {
  return planar(a, b) + a.height + b.height;
}

/** Both ends after one round trip between them; `seed` says where two peers at one place are pushed to. */
export function learn(
  a: Coordinate,
  b: Coordinate,
  rttMs: number,
  seed: number,
): readonly [a: Coordinate, b: Coordinate] {
  if (!isRtt(rttMs)) throw new Error(`no round trip: ${rttMs}`);
  const [ux, uy] = direction(a, b, seed);
  return [moved(a, b, rttMs, ux, uy), moved(b, a, rttMs, -ux, -uy)];
}

/** The paper's figure 3 for one end; (ux, uy) is the unit vector from the other end to this one. */
function moved(own: Coordinate, other: Coordinate, rttMs: number, ux: number, uy: number): Coordinate {
  const apart = distance(own, other);
  const balance = own.error / (own.error + other.error);
  const wrongBy = Math.abs(apart - rttMs) / rttMs;
  const learned = ERROR_GAIN * balance;
  const error = within(MIN_ERROR, within(0, wrongBy, 1) * learned + own.error * (1 - learned), 1);
  const step = STEP_GAIN * balance * within(-MAX_FORCE_MS, rttMs - apart, MAX_FORCE_MS);
  // A unit vector has a plane part and a height part; where two coincide in the plane, only apart leads there.
  const flat = planar(own, other);
  const lift = flat > 0 ? (own.height + other.height) / apart : step > 0 ? 0 : 1;
  const along = step * (1 - lift);
  const x = own.x + ux * along;
  const y = own.y + uy * along;
  const radius = Math.sqrt(x * x + y * y);
  const inside = radius > MAX_RADIUS_MS ? MAX_RADIUS_MS / radius : 1;
  // Adding 0 turns -0 into 0: JSON has no -0.
  return {
    x: x * inside + 0,
    y: y * inside + 0,
    height: within(MIN_HEIGHT_MS, own.height + step * lift, MAX_RTT_MS),
    error,
  };
}

function planar(a: Coordinate, b: Coordinate): number {
  const [dx, dy] = [a.x - b.x, a.y - b.y];
  const flat = Math.sqrt(dx * dx + dy * dy);
  return flat < SAME_PLACE_MS ? 0 : flat;
}

/** Unit vector from b to a. Where they coincide there is none, and the seed gives one. */
function direction(a: Coordinate, b: Coordinate, seed: number): readonly [x: number, y: number] {
  const flat = planar(a, b);
  if (flat > 0) return [(a.x - b.x) / flat, (a.y - b.y) / flat];
  const [x, y] = [(seed & 0xffff) - 0x7fff, ((seed >>> 16) & 0xffff) - 0x7fff];
  const length = Math.sqrt(x * x + y * y);
  return length > 0 ? [x / length, y / length] : [1, 0];
}

function within(low: number, value: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

/** FNV-1a over the UTF-16 code units of both names: a direction that two peers always get, and two others do not. */
export function seedOf(from: string, to: string): number {
  let hash = 0x811c9dc5;
  for (const character of `${from} ${to}`.split("")) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return hash >>> 0;
}
