/** Randomness that repeats: the same seed gives the same seeds in the same order. Never for anything secret. */
import type { Random } from "@vnes/kernel";

export class SeededRandom implements Random {
  #state: bigint;

  constructor(seed: number | bigint = 1n) {
    this.#state = BigInt.asUintN(64, BigInt(seed));
  }

  seed(): string {
    return this.#next().toString(16).padStart(16, "0");
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Number(this.#next() % BigInt(limit));
  }

  /** SplitMix64 (Steele, Lea, Flood 2014). */
  #next(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let mixed = this.#state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  }
}
