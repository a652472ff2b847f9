/** Network coordinates: they come to fit, they stay within their bounds, and nobody moves others at will. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Coordinate,
  distance,
  isRtt,
  learn,
  MAX_RADIUS_MS,
  MAX_RTT_MS,
  MAX_STEP_MS,
  ORIGIN,
  seedOf,
} from "../src/vivaldi.ts";

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

type Matrix = readonly (readonly number[])[];

/** Peers in a square of 100 ms, each behind an access link of its own. */
function planarMatrix(random: () => number, peers: number): Matrix {
  const places = Array.from({ length: peers }, () => {
    return { x: random() * 100, y: random() * 100, link: 1 + random() * 9 };
  });
  // Not Math.hypot, which is not correctly rounded: one test knows the bits.
  const flat = (dx: number, dy: number): number => Math.sqrt(dx * dx + dy * dy);
  return places.map((a) => places.map((b) => flat(a.x - b.x, a.y - b.y) + a.link + b.link));
}

class Peers {
  readonly at: Coordinate[];
  constructor(count: number) {
    this.at = Array.from({ length: count }, () => ORIGIN);
  }

  hear(i: number, j: number, rttMs: number): void {
    const [a, b] = learn(this.of(i), this.of(j), rttMs, seedOf(`p${i}`, `p${j}`));
    this.at[i] = a;
    this.at[j] = b;
  }

  of(i: number): Coordinate {
    return this.at[i] as Coordinate;
  }

  /** Median relative error of the estimates among the first `count`. */
  median(truth: Matrix, count: number = truth.length): number {
    const errors: number[] = [];
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < i; j++) {
        const rtt = truth[i]?.[j] as number;
        errors.push(Math.abs(distance(this.of(i), this.of(j)) - rtt) / rtt);
      }
    }
    return errors.sort((a, b) => a - b)[errors.length >> 1] as number;
  }
}

function measureAll(peers: Peers, truth: Matrix, random: () => number, each: number): void {
  for (let n = 0; n < each * truth.length; n++) {
    const i = Math.floor(random() * truth.length);
    const j = (i + 1 + Math.floor(random() * (truth.length - 1))) % truth.length;
    peers.hear(i, j, truth[i]?.[j] as number);
  }
}

const wild = fc.oneof(
  fc.double({ min: 0.001, max: MAX_RTT_MS, noNaN: true }),
  fc.constantFrom(0.001, 1, 100, MAX_RTT_MS),
);

/**
 * One end after one sample: figure 3 of the paper with the height vectors of its section 5.4, written as vectors and with nothing of the
 * capsule's. It has no bounds, so it is asked within them only.
 */
function paper(own: Coordinate, other: Coordinate, rtt: number): readonly number[] {
  const [ce, cc] = [0.25, 0.25];
  // [x, xh] - [y, yh] = [x - y, xh + yh], and its length is that of the plane part and the height.
  const apart = [own.x - other.x, own.y - other.y, own.height + other.height] as const;
  const length = Math.hypot(apart[0], apart[1]) + apart[2];
  const weight = own.error / (own.error + other.error);
  const sampleError = Math.abs(length - rtt) / rtt;
  const alpha = ce * weight;
  const delta = cc * weight;
  const moved = [own.x, own.y, own.height].map((at, axis) => {
    return at + delta * (rtt - length) * ((apart[axis] as number) / length);
  });
  return [...moved, sampleError * alpha + own.error * (1 - alpha)];
}

test("a sample within the bounds moves both ends as the paper says", () => {
  const at = fc.double({ min: -500, max: 500, noNaN: true });
  const coordinate = fc.record({
    x: at,
    y: at,
    height: fc.double({ min: 30, max: 100, noNaN: true }),
    error: fc.double({ min: 0.01, max: 1, noNaN: true }),
  });
  const property = fc.property(
    coordinate,
    coordinate,
    fc.double({ min: -99, max: 99, noNaN: true }),
    (a, b, off) => {
      const rtt = distance(a, b) + off;
      // Beyond these the capsule has bounds and the paper none: a direction, a relative error over 1.
      fc.pre(Math.hypot(a.x - b.x, a.y - b.y) > 1e-3 && isRtt(rtt) && Math.abs(off) <= rtt);
      const [nextA, nextB] = learn(a, b, rtt, 1);
      for (const [next, expected] of [
        [nextA, paper(a, b, rtt)],
        [nextB, paper(b, a, rtt)],
      ] as const) {
        const told = [next.x, next.y, next.height, next.error];
        for (const [axis, value] of told.entries()) {
          const wanted = expected[axis] as number;
          const off = Math.abs(value - wanted);
          assert.ok(
            off <= 1e-9 * Math.max(1, Math.abs(wanted)),
            JSON.stringify({ a, b, rtt, told, expected }),
          );
        }
      }
    },
  );
  fc.assert(property, { numRuns: 2_000 });
});

test("estimates come to fit what is measured in the plane: after 100 samples a peer the median relative error is below 3 % in half of the networks, and below 20 % in each", () => {
  const medians = Array.from({ length: 60 }, (_, seed) => {
    const random = seeded(seed);
    const truth = planarMatrix(random, 20);
    const peers = new Peers(20);
    measureAll(peers, truth, random, 100);
    return peers.median(truth);
  }).sort((a, b) => a - b);
  assert.ok((medians[30] as number) < 0.03, `${medians[30]}`);
  assert.ok((medians.at(-1) as number) < 0.2, `worst of 60: ${medians.at(-1)}`);
});

test("what cannot be drawn in a plane stays finite, and settles on a compromise", () => {
  const medians = Array.from({ length: 30 }, (_, seed) => {
    const random = seeded(1000 + seed);
    // Every pair on its own: one triangle in three is not one.
    const rows = Array.from({ length: 15 }, () => Array.from({ length: 15 }, () => 1 + random() * 299));
    const truth = rows.map((row, i) => row.map((rtt, j) => (i < j ? rtt : (rows[j]?.[i] as number))));
    const peers = new Peers(15);
    measureAll(peers, truth, random, 200);
    for (const { x, y, height } of peers.at) {
      assert.ok(Math.abs(x) < 1000 && Math.abs(y) < 1000 && height < 1000, JSON.stringify({ x, y, height }));
    }
    return peers.median(truth);
  });
  assert.ok(Math.max(...medians) < 0.5, `worst of 30: ${Math.max(...medians)}`);
});

test("one sample moves a peer by a bounded step, and nothing leaves its bounds, whatever is measured (GE1, GE2)", () => {
  const sample = fc.tuple(fc.nat(4), fc.nat(4), wild);
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 300 }), (samples) => {
      const peers = new Peers(5);
      for (const [i, j, rttMs] of samples) {
        if (i === j) continue;
        const before = [...peers.at];
        peers.hear(i, j, rttMs);
        for (const [k, now] of peers.at.entries()) {
          const was = before[k] as Coordinate;
          const moved = Math.hypot(now.x - was.x, now.y - was.y) + Math.abs(now.height - was.height);
          assert.ok(moved <= MAX_STEP_MS * (1 + 1e-9), `moved ${moved}`);
          if (k !== i && k !== j) assert.equal(now, was, "nobody else moves");
          assert.ok(Math.hypot(now.x, now.y) <= MAX_RADIUS_MS * (1 + 1e-9));
          assert.ok(now.height > 0 && now.height <= MAX_RTT_MS && now.error > 0 && now.error <= 1);
          for (const value of Object.values(now)) assert.ok(Number.isFinite(value) && !Object.is(value, -0));
        }
      }
    }),
  );
});

test("a hundred thousand absurd samples in one direction end at the edge, not beyond it (GE2)", () => {
  const peers = new Peers(2);
  for (let n = 0; n < 100_000; n++) peers.hear(0, 1, MAX_RTT_MS);
  const apart = distance(peers.of(0), peers.of(1));
  assert.ok(Math.abs(apart - MAX_RTT_MS) < 1, `${apart}`);
});

test("one peer of twenty that answers at random hardly spoils what the others know of each other", () => {
  const medians = Array.from({ length: 30 }, (_, seed) => {
    const random = seeded(2000 + seed);
    const honest = planarMatrix(random, 20);
    const peers = new Peers(20);
    for (let n = 0; n < 4000; n++) {
      const i = Math.floor(random() * 20);
      const j = (i + 1 + Math.floor(random() * 19)) % 20;
      const lies = i === 19 || j === 19;
      peers.hear(i, j, lies ? 0.001 + random() * MAX_RTT_MS : (honest[i]?.[j] as number));
    }
    return peers.median(honest, 19);
  });
  assert.ok(Math.max(...medians) < 0.15, `worst of 30: ${Math.max(...medians)}`);
});

test("the same samples in the same order give the same bytes", () => {
  const sample = fc.tuple(fc.nat(4), fc.nat(4), wild);
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 100 }), (samples) => {
      const [one, two] = [new Peers(5), new Peers(5)];
      for (const [i, j, rttMs] of samples) {
        if (i === j) continue;
        one.hear(i, j, rttMs);
        // The second goes through text after every sample, as a capsule's keys do.
        two.hear(i, j, rttMs);
        two.at.splice(0, 5, ...(JSON.parse(JSON.stringify(two.at)) as Coordinate[]));
      }
      assert.equal(JSON.stringify(one.at), JSON.stringify(two.at));
    }),
  );
});

test("the arithmetic is the correctly rounded one: a known walk ends at known bits", () => {
  const random = seeded(7);
  const peers = new Peers(4);
  measureAll(peers, planarMatrix(random, 4), random, 50);
  assert.deepEqual(peers.of(0), {
    x: 57.29106121700275,
    y: -17.46141800541614,
    height: 0.19463436699647452,
    error: 0.02272334368075025,
  });
});

test("what is no round trip is refused before it moves anybody", () => {
  for (const rttMs of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -1,
    0,
    -0,
    1e-4,
    60_001,
  ]) {
    assert.equal(isRtt(rttMs), false, String(rttMs));
    assert.throws(() => learn(ORIGIN, ORIGIN, rttMs, 0), /no round trip/);
  }
});
