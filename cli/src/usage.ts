/** What is wrong with a command line, said with the word that was probably meant. */
import type { VnesError } from "@vnes/schemas";
import type { Argv } from "yargs";
import { cliErrors } from "./errors.ts";

/** More than this many edits away, or than a third of its letters, is another word and no slip: `release` is not `delete`. */
const MAX_EDITS = 3;

/** The part of yargs that knows what could have been typed; it is not in its published types. */
interface Internals {
  getOptions(): {
    readonly key: Readonly<Record<string, unknown>>;
    readonly array: readonly string[];
    readonly alias: Readonly<Record<string, readonly string[]>>;
  };
  getInternalMethods(): {
    getCommandInstance(): { getCommands(): readonly string[] };
    /** `fullCommands` names what each takes: `build <dir>`. */
    getContext(): { readonly commands: readonly string[]; readonly fullCommands: readonly string[] };
  };
}

export function usageError(message: string, yargs: Argv, words: readonly string[]): VnesError {
  const self = yargs as unknown as Internals;
  const internals = self.getInternalMethods();
  const typed = internals.getContext().commands.join(" ");
  const help = `vnes ${typed === "" ? "" : `${typed} `}--help`;
  const unknown = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1]?.split(", ")[0];
  if (message.startsWith("Not enough non-option")) {
    const missing = missingWords(message, internals.getContext().fullCommands.at(-1) ?? "");
    return cliErrors.create("CLI_USAGE", { problem: `vnes ${typed} needs ${missing}`, next: help });
  }
  if (unknown === undefined)
    return cliErrors.create("CLI_USAGE", { problem: firstLine(message), next: help });
  const isFlag = words.some(
    (word) => word.startsWith("-") && word.replace(/^-+/, "").split("=")[0] === unknown,
  );
  const known = isFlag
    ? Object.keys(self.getOptions().key).filter((name) => name.length > 1 && !/[A-Z]/.test(name))
    : internals.getCommandInstance().getCommands();
  const meant = nearest(unknown, known);
  const shown = `${isFlag ? "--" : ""}${unknown}`;
  const hint = meant === undefined ? "" : `; did you mean ${isFlag ? "--" : ""}${meant}?`;
  const problem = `${shown} is not understood${hint}`;
  const next = meant === undefined || isFlag ? help : `vnes ${typed === "" ? "" : `${typed} `}${meant}`;
  return cliErrors.create("CLI_USAGE", { problem, next });
}

/** `<dir>`: those of the words a command takes that were not typed, as its help writes them. */
function missingWords(message: string, command: string): string {
  const [, got] = /got (\d+)/.exec(message) ?? [];
  const needed = command.match(/<[^>]+>/g) ?? [];
  return needed.slice(Number(got ?? 0)).join(" and ") || "more than that";
}

/** The first option that is typed a second time and is no list: which of its values was meant, nobody can know. */
export function repeatedOption(yargs: Argv, words: readonly string[]): string | undefined {
  const { key, array, alias } = (yargs as unknown as Internals).getOptions();
  const seen = new Set<string>();
  for (const typed of typedOptions(words)) {
    const negated = typed.replace(/^no-/, "");
    const plain = typed in key || !(negated in key) ? typed : negated;
    const name = Object.keys(alias).find((one) => alias[one]?.includes(plain) === true) ?? plain;
    if (seen.has(name) && !array.includes(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/** An option with its dashes; a positional, which has none, by its name alone. */
export function nameAsTyped(name: string, words: readonly string[]): string {
  return typedOptions(words).includes(name) ? `--${name}` : name;
}

/** As they were declared, `dataDir` is `data-dir`; a word behind `--` is none. */
function typedOptions(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return words.slice(0, end === -1 ? words.length : end).flatMap((word) => {
    const name = /^(?:--([a-z][^=]*)|-([a-z])(?==|$))/i.exec(word);
    if (name === null) return [];
    return name[1]?.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) ?? name[2] ?? [];
  });
}

/** Options whose name on the wire is another one. */
const OPTION_NAMES: { readonly [param: string]: string } = { timeout_ms: "timeout", wait_ms: "wait" };

/** A value the node's schema refuses was typed by a person: said with the name they know, not with its place in a frame. */
export function valueError(error: VnesError, words: readonly string[]): VnesError {
  const { pointer, reason } = error.details;
  if (error.code !== "CONTROL_FRAME_INVALID" || typeof pointer !== "string") return error;
  // A person types one of what goes over the wire as a list: `key` is `keys/0`.
  const param = (/^\/params\/([a-z_]+)s\/\d+$/.exec(pointer) ?? /^\/params\/([a-z_]+)$/.exec(pointer))?.[1];
  if (param === undefined || typeof reason !== "string") return error;
  const name = (OPTION_NAMES[param] ?? param).replaceAll("_", "-");
  const problem = `${nameAsTyped(name, words)} ${reason}`;
  return cliErrors.create("CLI_USAGE", { problem, next: `${commandOf(words)} --help` });
}

/** `--version` is answered before anything else is done: behind a command, or with a value, something else was meant. */
export function assertVersionAlone(words: readonly string[]): void {
  const end = words.indexOf("--");
  const typed = words.slice(0, end === -1 ? words.length : end);
  const at = typed.findIndex((word) => /^(?:--version|-V)(?:=|$)/.test(word));
  const [first = "", value = "-"] = [typed[0], typed[at + 1]];
  const isAlone = first.startsWith("-") && value.startsWith("-") && typed[at]?.includes("=") === false;
  if (at === -1 || isAlone) return;
  const problem = "--version asks which vnes this is, and takes neither a command nor a value";
  throw cliErrors.create("CLI_USAGE", { problem, next: `${commandOf(words)} --help` });
}

/** As far as it was typed in front of everything else: `vnes capsule build`. */
function commandOf(words: readonly string[]): string {
  const end = words.findIndex((word) => !/^[a-z]+$/.test(word));
  return ["vnes", ...words.slice(0, end === -1 ? words.length : end)].join(" ");
}

function firstLine(message: string): string {
  return message.trim().replace(/\s*\n\s*/g, " ");
}

export function nearest(word: string, among: readonly string[]): string | undefined {
  const ranked = among
    .map((candidate) => ({ candidate, edits: editDistance(word, candidate) }))
    .filter(({ candidate, edits }) => edits <= Math.min(MAX_EDITS, Math.ceil(candidate.length / 3)))
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1));
  return ranked[0]?.candidate;
}

/** Optimal string alignment: Levenshtein's distance in which two letters that changed places are one slip. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? (before[j - 2] as number) + 1
          : Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
