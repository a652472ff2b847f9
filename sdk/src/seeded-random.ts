/** Randomness of one turn, from its seed: the same numbers again on replay. sfc32 by Chris Doty-Humphrey (PractRand). */

/** Crockford's base 32: no letters that look like digits. */
const ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_LENGTH = 20;
/** What the generator's author runs before its output is used. */
const WARM_UP_ROUNDS = 12;

export class SeededRandom {
  #a: number;
  #b: number;
  #c = 0;
  #counter = 1;

  /** 16 hex digits. */
  constructor(seed: string) {
    this.#a = Number.parseInt(seed.slice(0, 8), 16) | 0;
    this.#b = Number.parseInt(seed.slice(8), 16) | 0;
    for (let round = 0; round < WARM_UP_ROUNDS; round++) this.#next();
  }

  /** In [0, 1), with 53 bits. */
  random(): number {
    return ((this.#next() >>> 5) * 0x400_0000 + (this.#next() >>> 6)) / 0x20_0000_0000_0000;
  }

  id(prefix: string): string {
    let text = `${prefix}_`;
    for (let index = 0; index < ID_LENGTH; index++) text += ID_ALPHABET[this.#next() >>> 27];
    return text;
  }

  #next(): number {
    const next = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + next;
    this.#c |= 0;
    return next;
  }
}
