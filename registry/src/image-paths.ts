import type { ImageFile } from "@vnes/kernel";
export function refusePaths(_dir: string, _files: readonly ImageFile[]): void {}
