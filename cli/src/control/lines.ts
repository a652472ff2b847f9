/** Cuts a byte stream into lines under a bound, without looking at a byte twice. */

const LF = 0x0a;

export class LineReader {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The lines that end in `chunk`, or undefined when a line is longer than the bound; the stream is then unusable. */
  push(chunk: Uint8Array): string[] | undefined {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      if (this.#bytes + end - start > this.#limit) return undefined;
      this.#chunks.push(chunk.subarray(start, end));
      lines.push(Buffer.concat(this.#chunks).toString("utf8"));
      this.#chunks = [];
      this.#bytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#chunks.push(chunk.subarray(start));
      this.#bytes += chunk.length - start;
      if (this.#bytes > this.#limit) return undefined;
    }
    return lines;
  }
}
