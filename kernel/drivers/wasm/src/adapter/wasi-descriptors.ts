/** Open files and directories of an instance by number, and what can be done with one. */
import { WasiError } from "./wasi-errno.ts";
import type { DirectoryNode, FileNode, WasiFiles } from "./wasi-files.ts";
import { WasiOutput } from "./wasi-output.ts";

const MAX_OPEN = 64;
/** Past every file that fits in scratch. */
const MAX_OFFSET = 0xffff_ffff;

export interface OpenFile {
  readonly kind: "file";
  readonly file: FileNode;
  readonly canWrite: boolean;
  appends: boolean;
  offset: number;
}

export interface OpenDirectory {
  readonly kind: "directory";
  readonly directory: DirectoryNode;
  /** Its name for the module, of one that is open from the start. */
  readonly preopen?: string;
}

export type Descriptor =
  | { readonly kind: "input" }
  | { readonly kind: "output"; readonly output: WasiOutput }
  | OpenFile
  | OpenDirectory;

export class WasiDescriptors {
  readonly #files: WasiFiles;
  readonly #open = new Map<number, Descriptor>();

  /** `say` takes lines of standard output and error. */
  constructor(files: WasiFiles, say: (level: "info" | "warn", line: string) => void) {
    this.#files = files;
    const initial: Descriptor[] = [
      { kind: "input" },
      { kind: "output", output: new WasiOutput((line) => say("info", line)) },
      { kind: "output", output: new WasiOutput((line) => say("warn", line)) },
      { kind: "directory", directory: files.capsule, preopen: "/capsule" },
      { kind: "directory", directory: files.scratch, preopen: "/tmp" },
    ];
    for (const [fd, descriptor] of initial.entries()) this.#open.set(fd, descriptor);
  }

  get(fd: number): Descriptor {
    const descriptor = this.#open.get(fd);
    if (descriptor === undefined) throw new WasiError("badf");
    return descriptor;
  }

  file(fd: number): OpenFile {
    const descriptor = this.get(fd);
    if (descriptor.kind === "directory") throw new WasiError("isdir");
    if (descriptor.kind !== "file") throw new WasiError("spipe");
    return descriptor;
  }

  directory(fd: number): OpenDirectory {
    const descriptor = this.get(fd);
    if (descriptor.kind !== "directory") throw new WasiError("notdir");
    return descriptor;
  }

  add(descriptor: Descriptor): number {
    if (this.#open.size >= MAX_OPEN) throw new WasiError("mfile");
    let fd = 0;
    while (this.#open.has(fd)) fd += 1;
    this.#open.set(fd, descriptor);
    if (descriptor.kind === "file") descriptor.file.opened += 1;
    return fd;
  }

  close(fd: number): void {
    const descriptor = this.get(fd);
    this.#open.delete(fd);
    if (descriptor.kind === "file") this.#files.closed(descriptor.file);
  }

  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    if (from === to) return;
    this.close(to);
    this.#open.delete(from);
    this.#open.set(to, descriptor);
  }

  flush(): void {
    for (const descriptor of this.#open.values()) if (descriptor.kind === "output") descriptor.output.flush();
  }

  /** From `at`, or from where the file stands, which moves then. */
  read(fd: number, into: Uint8Array, at?: number): number {
    if (this.get(fd).kind === "input") return 0;
    const open = this.file(fd);
    const { bytes, size } = open.file;
    const from = Math.min(at ?? open.offset, size);
    const part = bytes.subarray(from, Math.min(size, from + into.length));
    into.set(part);
    if (at === undefined) open.offset = from + part.length;
    return part.length;
  }

  write(fd: number, bytes: Uint8Array, at?: number): number {
    const descriptor = this.get(fd);
    if (descriptor.kind === "output") {
      if (at !== undefined) throw new WasiError("spipe");
      descriptor.output.write(bytes);
      return bytes.length;
    }
    const open = this.file(fd);
    if (!open.canWrite) throw new WasiError("badf");
    const { file } = open;
    const from = at ?? (open.appends ? file.size : open.offset);
    if (bytes.length === 0) return 0;
    if (from + bytes.length > file.size) this.#files.resize(file, from + bytes.length);
    file.bytes.set(bytes, from);
    if (at === undefined) open.offset = from + bytes.length;
    return bytes.length;
  }

  /** `whence`: 0 from the start, 1 from where it stands, 2 from the end. */
  seek(fd: number, by: number, whence: number): number {
    const open = this.file(fd);
    const from = [0, open.offset, open.file.size][whence];
    if (from === undefined) throw new WasiError("inval");
    const offset = from + by;
    if (!(offset >= 0 && offset <= MAX_OFFSET)) throw new WasiError("inval");
    open.offset = offset;
    return offset;
  }
}
