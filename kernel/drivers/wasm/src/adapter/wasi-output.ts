/** Standard output and error: each line becomes a line of the turn's log, which has its own bound on lines. */
import { decodeLossy } from "./utf8.ts";

/** What is longer is cut: the sdk keeps 2,000 code units of a line. */
const MAX_LINE_BYTES = 8_000;
const LINE_FEED = 0x0a;

export class WasiOutput {
  readonly #say: (line: string) => void;
  #line: number[] = [];
  #isOpen = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  write(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(LINE_FEED, from);
      const to = end < 0 ? bytes.length : end;
      const room = MAX_LINE_BYTES - this.#line.length;
      for (const byte of bytes.subarray(from, Math.min(to, from + room))) this.#line.push(byte);
      this.#isOpen = end < 0;
      if (end >= 0) this.#end();
      from = to + 1;
    }
  }

  /** The last line may lack its end. */
  flush(): void {
    if (this.#isOpen) this.#end();
  }

  #end(): void {
    const line = decodeLossy(Uint8Array.from(this.#line));
    this.#line = [];
    this.#isOpen = false;
    this.#say(line);
  }
}
