/** What the demonstration prints: a timeline, and below it one block that is repainted in place on a terminal. */
import { styleText } from "node:util";

export type Style = "bold" | "dim" | "green" | "red" | "yellow" | "cyan";

export class Paper {
  readonly tty: boolean;
  readonly #colour: boolean;
  readonly #write: (text: string) => void;
  readonly #startedAt: number;
  #painted = 0;

  constructor(tty: boolean, colour: boolean, write: (text: string) => void, startedAt: number) {
    this.tty = tty;
    this.#colour = colour;
    this.#write = write;
    this.#startedAt = startedAt;
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  line(text = ""): void {
    this.#clear();
    this.#write(`${text}\n`);
  }

  heading(text: string): void {
    this.line();
    this.line(this.style("bold", text));
  }

  /** One moment of the timeline; `at` in milliseconds since the epoch. */
  moment(at: number, who: string, what: string): void {
    const seconds = ((at - this.#startedAt) / 1000).toFixed(3).padStart(8);
    this.line(`${this.style("dim", `${seconds} s`)}  ${who.padEnd(8)}  ${what}`);
  }

  /** Replaces what was painted before; nothing off a terminal. */
  repaint(lines: readonly string[]): void {
    if (!this.tty) return;
    this.#clear();
    this.#write(lines.map((line) => `${line}\n`).join(""));
    this.#painted = lines.length;
  }

  #clear(): void {
    // Up to the first painted line, then erase to the end of the screen.
    if (this.#painted > 0) this.#write(`\u001b[${this.#painted}A\u001b[0J`);
    this.#painted = 0;
  }
}
