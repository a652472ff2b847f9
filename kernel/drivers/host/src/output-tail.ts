/**
 * The last lines a process printed, bounded, for the message that says why it died. What is dropped is counted. It is read slowly: who prints
 * without end waits, and does not keep the reader busy.
 */
import type { Readable } from "node:stream";

/** A V8 crash report's head and a stack. */
const KEPT_BYTES = 8 * 1024;
const MAX_LAST_WORDS = 300;
/** In the middle of isolated-vm's report of an isolate that V8 gave up. */
const OUT_OF_MEMORY = "is_heap_oom = 1";
/** Between two reads, each of at most what a pipe holds. */
const READ_EVERY_MS = 10;

export class OutputTail {
  #text = "";
  #dropped = 0;
  readonly #streams: Readable[] = [];
  #isOver = false;

  follow(stream: Readable): void {
    this.#streams.push(stream);
    stream.on("data", (chunk: Buffer) => {
      this.push(chunk);
      if (this.#isOver) return;
      stream.pause();
      setTimeout(() => stream.resume(), READ_EVERY_MS).unref();
    });
  }

  /** The process has ended: the rest is read at once. */
  end(): void {
    this.#isOver = true;
    for (const stream of this.#streams) stream.resume();
  }

  push(chunk: Buffer): void {
    // Of more than is kept the rest is not even decoded.
    const text = this.#text + chunk.toString("utf8", Math.max(0, chunk.length - KEPT_BYTES));
    this.#dropped += Math.max(0, chunk.length - KEPT_BYTES) + Math.max(0, text.length - KEPT_BYTES);
    this.#text = text.slice(-KEPT_BYTES);
  }

  get droppedBytes(): number {
    return this.#dropped;
  }

  get text(): string {
    return this.#text;
  }

  /** The line that most likely says why: V8's own last words, otherwise the last one that is not empty. */
  get lastWords(): string {
    const lines = this.#text.split("\n").map((line) => line.trim());
    if (lines.includes(OUT_OF_MEMORY)) return "FATAL ERROR: V8 gave up an isolate that ran out of memory";
    const telling = lines.find((line) => /^(FATAL ERROR|#\s+Fatal|Error:)/.test(line));
    return (telling ?? lines.findLast((line) => line !== "") ?? "").slice(0, MAX_LAST_WORDS);
  }
}
