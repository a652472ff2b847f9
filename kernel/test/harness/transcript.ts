/**
 * Golden transcripts: `command`, `----`, `outcome`, blank line. `UPDATE=1` writes what came out, to be reviewed as prose.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

/** Runs each command of the file through `run` and compares what it says. */
export async function checkTranscript(
  file: URL,
  run: (command: string) => string | Promise<string>,
): Promise<void> {
  const text = readFileSync(file, "utf8");
  const [head = "", ...rest] = text.split(/^(?=> )/m);
  let out = head;
  for (const block of rest) {
    const command = block.slice(2, block.indexOf("\n"));
    const notes = block.split("\n").filter((line) => line.startsWith("#"));
    out += `> ${command}\n----\n${(await run(command)).trimEnd()}\n\n${notes.length > 0 ? `${notes.join("\n")}\n\n` : ""}`;
  }
  if (process.env["UPDATE"] === "1") writeFileSync(file, out);
  else assert.equal(out, text);
}
