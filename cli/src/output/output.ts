/** Where a command says things: data to standard output, talk to standard error, and colour only for people. */
import { styleText } from "node:util";
import { forSameNode } from "./same-node.ts";
import { harmlessJson, onlyColours } from "./text.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface OutputStreams {
  /** Resolves when the reader has taken it; a reader that went away ends the command quietly. */
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether people look at it in a terminal. */
  readonly stdoutColour: boolean;
  readonly stderrColour: boolean;
}

export class Output {
  readonly #streams: OutputStreams;
  /** Set from `-o` once the command line is parsed. */
  json = false;
  /** The flags of every command, as typed. */
  flags: readonly string[] = [];

  constructor(streams: OutputStreams) {
    this.#streams = streams;
  }

  /** `schema` is the name and version of the shape, `vnes.status.v1`; `text` is the same for people. */
  data(schema: string, value: object, text: string): void {
    const shown = this.json ? harmlessJson(JSON.stringify({ schema, ...value })) : onlyColours(text);
    this.#streams.stdout(`${shown}\n`);
  }

  say(text: string): void {
    if (!this.json) this.#streams.stderr(`${onlyColours(text)}\n`);
  }

  /** In JSON too: the only thing on standard error that a program may want to read. */
  problem(json: object, text: string): void {
    const shown = this.json ? harmlessJson(JSON.stringify(json)) : onlyColours(text);
    this.#streams.stderr(`${shown}\n`);
  }

  /** What to type next, with whatever of the command line has to be typed again. */
  next(text: string): string {
    return forSameNode(text, this.flags);
  }

  /** Of an error or a reason: one for another node is told as it is, as nobody knows the flags of that one here. */
  remedy({ remedy, elsewhere }: { readonly remedy: string; readonly elsewhere?: boolean }): string {
    return elsewhere === true ? remedy : this.next(remedy);
  }

  get colourOnError(): boolean {
    return this.#streams.stderrColour;
  }

  paint(style: Style, text: string): string {
    return this.#streams.stdoutColour ? styleText(style, text, { validateStream: false }) : text;
  }

  paintError(style: Style, text: string): string {
    return this.#streams.stderrColour ? styleText(style, text, { validateStream: false }) : text;
  }
}
