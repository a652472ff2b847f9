/** Which paths an image may hold: those that mean the same file on every machine a capsule is carried to. */
import { registryErrors } from "./errors.ts";

/** Of one name, and of a path within the image: what common file systems take with room for a directory before it. */
const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 1024;
/** Control, format (bidirectional and zero-width among them), private and lone surrogate characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u;

/** Throws `IMAGE_PATH_REFUSED` for the first path that is refused. `dir` is for the message. */
export function refusePaths(dir: string, files: readonly { readonly path: string }[]): void {
  const taken = new Map<string, string>();
  for (const { path } of files) {
    const wrong = wrongWith(path) ?? collision(path, taken);
    if (wrong === null) continue;
    throw registryErrors.create("IMAGE_PATH_REFUSED", { dir, file: JSON.stringify(path), ...wrong });
  }
}

interface Wrong {
  readonly reason: string;
  readonly next: string;
}

function wrongWith(path: string): Wrong | null {
  if (INVISIBLE.test(path)) {
    return { reason: "it holds a character that cannot be seen.", next: "Rename it." };
  }
  if (path.includes("\\")) {
    return { reason: "it holds a backslash, which elsewhere parts directories.", next: "Rename it." };
  }
  if (path.normalize("NFC") !== path) {
    const next = `Rename it to ${path.normalize("NFC")} as your keyboard gives it.`;
    return { reason: "its Unicode form is not NFC.", next };
  }
  const names = path.split("/");
  if (names.some((name) => name === "" || name === "." || name === "..")) {
    return { reason: "it is not a plain relative path.", next: "Rename it." };
  }
  const longest = Math.max(...names.map((name) => Buffer.byteLength(name)));
  if (longest > NAME_BYTES_MAX || Buffer.byteLength(path) > PATH_BYTES_MAX) {
    return { reason: `it is longer than ${PATH_BYTES_MAX} bytes.`, next: "Shorten it." };
  }
  return null;
}

/** Files and the directories above them: `src/A/x` and `src/a/y` are two directories here and one elsewhere. */
function collision(path: string, taken: Map<string, string>): Wrong | null {
  for (let end = path.indexOf("/"); ; end = path.indexOf("/", end + 1)) {
    const prefix = end < 0 ? path : path.slice(0, end);
    const other = taken.get(fold(prefix));
    if (other !== undefined && other !== prefix) {
      const reason = `it differs from ${JSON.stringify(other)} only by case or Unicode form.`;
      return { reason, next: "Rename one of the two." };
    }
    taken.set(fold(prefix), prefix);
    if (end < 0) return null;
  }
}

function fold(path: string): string {
  return path.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}
