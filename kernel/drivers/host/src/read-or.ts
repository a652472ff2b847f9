/** A file of the kernel that may not be there, or no longer. */
import { readFileSync } from "node:fs";

export function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}
