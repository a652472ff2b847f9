/** Text for people: what comes from outside is made harmless before a terminal sees it, and lines up in columns. */
import { shellWord } from "@vnes/schemas";

/** Control characters could move the cursor or recolour what was said before; they are shown, not sent. */
export function harmless(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return harmlessJson(text.replace(/[\u0000-\u001f]/g, escaped));
}

/** JSON escapes the first of them itself; what it lets through a terminal obeys all the same, or reads from right to left. It stays the same JSON. */
export function harmlessJson(json: string): string {
  return json.replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

/** For the last look at a whole text of ours, which has lines and colours: nothing else in it moves a terminal. */
export function onlyColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return harmlessJson(
    text.replace(/\u001b(?!\[[\d;]{0,16}m)|[\u0000-\u0009\u000b-\u001a\u001c-\u001f]/g, escaped),
  );
}

/** A value for people, over as many lines as it takes. */
export function jsonText(value: unknown): string {
  return harmlessJson(JSON.stringify(value, null, 2));
}

/** A key, which is a capsule's, as one word of a command line that somebody may copy. */
export function keyWord(key: string | number): string {
  return shellWord(harmless(String(key)));
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number;
  readonly align?: "left" | "right";
  readonly paint?: (row: Row, text: string) => string;
}

/** One line a row under a line of titles; the last column is not padded. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map((column) => harmless(String(column.value(row)))));
  const widths = columns.map((column, i) => {
    return Math.max(column.title.length, ...cells.map((cell) => cell[i]?.length ?? 0));
  });
  const pad = (text: string, i: number): string => {
    const width = widths[i] ?? 0;
    if (columns[i]?.align === "right") return text.padStart(width);
    return i === columns.length - 1 ? text : text.padEnd(width);
  };
  const head = columns.map(({ title }, i) => pad(title.toUpperCase(), i)).join("  ");
  const body = rows.map((row, r) => {
    return columns.map(({ paint }, i) => {
      const text = pad(cells[r]?.[i] ?? "", i);
      return paint === undefined ? text : paint(row, text);
    });
  });
  return [head, ...body.map((line) => line.join("  "))].join("\n").replace(/ +$/gm, "");
}

/** `name  value` lines. */
export function fields(entries: readonly (readonly [name: string, value: string | number])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${harmless(String(value))}`).join("\n");
}

/** A time in milliseconds, which may come from a capsule: what is no date is told as the number it is. */
export function instant(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? `${at} ms` : date.toISOString();
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2880
    ? `${Math.floor(minutes / 60)} h ${minutes % 60} min`
    : `${Math.floor(minutes / 1440)} d`;
}

export function shortHash(hash: string): string {
  return hash.replace(/^sha256:/, "").slice(0, 12);
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
