/** An image in a directory that is named by its hash: put there in one step, and put there again when what lies there is damaged. */
import { existsSync, rmSync } from "node:fs";
import type { CapsuleImage } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import { placeTree } from "./durable.ts";
import { readImage } from "./image-reader.ts";

/** `mode` is that of a file, such as 0o444; whoever may read a program may run it. */
export async function placeImage(target: string, image: CapsuleImage, mode: number): Promise<void> {
  if (existsSync(target)) {
    if (await isWholeImage(target, image.hash)) return;
    rmSync(target, { recursive: true, force: true });
  }
  const runnable = mode | ((mode & 0o444) >> 2);
  const files = image.files.map(({ path, bytes, executable }) => {
    return { path, bytes, mode: executable ? runnable : mode };
  });
  placeTree(target, files);
}

/** Whether the directory is there and holds the image of this hash. */
export async function isWholeImage(target: string, hash: string): Promise<boolean> {
  if (!existsSync(target)) return false;
  try {
    return (await readImage(target)).hash === hash;
  } catch (error) {
    if (isVnesError(error)) return false;
    throw error;
  }
}
