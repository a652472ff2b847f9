/** Words of a command line that a person is told to type: one with anything the shell would read is quoted. */

/** What no POSIX shell gives a meaning to; `<dir>` and its like stand for what the reader puts there. */
const PLAIN = /^(?:[A-Za-z0-9_@%+=:,./^-]+|<[a-z]+>)$/;

/** `text` as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
