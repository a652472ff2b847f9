/**
 * The files a module sees, all of them in memory: its own capsule's, to be read, and scratch, which is empty when an instance begins and
 * gone with it. There are no links, so a path is what it says; one that leaves the directory it starts from is refused.
 */
import { WasiError } from "./wasi-errno.ts";

/** Scratch is for what a library cannot do without a file, not for data: that is in keys. */
const SCRATCH_BYTES = 1_048_576;
const SCRATCH_NODES = 256;
const MAX_PATH_BYTES = 4_096;

export interface FileNode {
  readonly kind: "file";
  readonly inode: number;
  readonly isScratch: boolean;
  /** The first `size` of them count. */
  bytes: Uint8Array;
  size: number;
  /** Descriptors of it; a removed one takes room until the last is closed. */
  opened: number;
  isRemoved: boolean;
}

export interface DirectoryNode {
  readonly kind: "directory";
  readonly inode: number;
  readonly isScratch: boolean;
  readonly entries: Map<string, WasiNode>;
}

export type WasiNode = FileNode | DirectoryNode;

export interface Found {
  readonly parent: DirectoryNode;
  /** Empty for the directory itself that the path starts from. */
  readonly name: string;
  readonly node: WasiNode | undefined;
}

export class WasiFiles {
  readonly capsule: DirectoryNode;
  readonly scratch: DirectoryNode;
  #inodes = 0;
  #scratchBytes = 0;
  #scratchNodes = 0;

  /** `given`: path below the capsule's `impl/` to bytes. */
  constructor(given: ReadonlyMap<string, Uint8Array>) {
    this.capsule = this.#directory(false);
    this.scratch = this.#directory(true);
    for (const [path, bytes] of given) {
      const names = path.split("/");
      let directory = this.capsule;
      for (const name of names.slice(0, -1)) {
        const next = directory.entries.get(name) ?? this.#directory(false);
        directory.entries.set(name, next);
        directory = next as DirectoryNode;
      }
      const inode = ++this.#inodes;
      directory.entries.set(names.at(-1) as string, fileNode(inode, false, bytes));
    }
  }

  /** Throws where a directory on the way is none, or the path leaves `from`. */
  find(from: DirectoryNode, path: string): Found {
    if (path.length > MAX_PATH_BYTES) throw new WasiError("nametoolong");
    if (path === "") throw new WasiError("noent");
    if (path.includes("\0")) throw new WasiError("inval");
    if (path.startsWith("/")) throw new WasiError("notcapable");
    const above: DirectoryNode[] = [];
    let found: Found = { parent: from, name: "", node: from };
    for (const name of path.split("/")) {
      if (name === "" || name === ".") {
        directoryOf(found);
        continue;
      }
      if (name === "..") {
        directoryOf(found);
        const parent = above.pop();
        if (parent === undefined) throw new WasiError("notcapable");
        found = { parent, name: "", node: parent };
        continue;
      }
      const parent = directoryOf(found);
      above.push(parent);
      found = { parent, name, node: parent.entries.get(name) };
    }
    return found;
  }

  makeFile({ parent, name }: Found): FileNode {
    this.#roomForNode(parent);
    const file = fileNode(++this.#inodes, true, new Uint8Array(0));
    parent.entries.set(name, file);
    return file;
  }

  makeDirectory({ parent, name, node }: Found): void {
    if (node !== undefined) throw new WasiError("exist");
    this.#roomForNode(parent);
    parent.entries.set(name, this.#directory(true));
  }

  remove({ parent, name, node }: Found, kind: WasiNode["kind"]): void {
    if (node === undefined) throw new WasiError("noent");
    if (!node.isScratch) throw new WasiError("rofs");
    if (name === "") throw new WasiError("inval");
    if (node.kind !== kind) throw new WasiError(kind === "file" ? "isdir" : "notdir");
    if (node.kind === "directory" && node.entries.size > 0) throw new WasiError("notempty");
    this.#scratchNodes -= 1;
    parent.entries.delete(name);
    if (node.kind === "directory") return;
    node.isRemoved = true;
    this.#release(node);
  }

  closed(file: FileNode): void {
    file.opened -= 1;
    this.#release(file);
  }

  rename(from: Found, to: Found): void {
    const { node } = from;
    if (node === undefined) throw new WasiError("noent");
    if (!node.isScratch || !to.parent.isScratch) throw new WasiError("rofs");
    if (from.name === "" || to.name === "") throw new WasiError("inval");
    if (to.node === node) return;
    if (node.kind === "directory" && contains(node, to.parent)) throw new WasiError("inval");
    if (to.node !== undefined) this.remove(to, node.kind);
    from.parent.entries.delete(from.name);
    to.parent.entries.set(to.name, node);
  }

  /** Makes `file` this long; what is new is zero. */
  resize(file: FileNode, size: number): void {
    if (!file.isScratch) throw new WasiError("rofs");
    if (size > file.bytes.length) {
      const room = Math.max(size, Math.min(2 * file.bytes.length, SCRATCH_BYTES / 4));
      const more = room - file.bytes.length;
      if (!(this.#scratchBytes + more <= SCRATCH_BYTES)) throw new WasiError("nospc");
      this.#scratchBytes += more;
      const bytes = new Uint8Array(room);
      bytes.set(file.bytes.subarray(0, file.size));
      file.bytes = bytes;
    } else if (size < file.size) {
      file.bytes.fill(0, size, file.size);
    }
    file.size = size;
  }

  #release(file: FileNode): void {
    if (file.isRemoved && file.opened === 0) this.#scratchBytes -= file.bytes.length;
  }

  #directory(isScratch: boolean): DirectoryNode {
    return { kind: "directory", inode: ++this.#inodes, isScratch, entries: new Map() };
  }

  #roomForNode(parent: DirectoryNode): void {
    if (!parent.isScratch) throw new WasiError("rofs");
    if (this.#scratchNodes >= SCRATCH_NODES) throw new WasiError("nospc");
    this.#scratchNodes += 1;
  }
}

function fileNode(inode: number, isScratch: boolean, bytes: Uint8Array): FileNode {
  return { kind: "file", inode, isScratch, bytes, size: bytes.length, opened: 0, isRemoved: false };
}

function directoryOf({ node }: Found): DirectoryNode {
  if (node === undefined) throw new WasiError("noent");
  if (node.kind !== "directory") throw new WasiError("notdir");
  return node;
}

function contains(directory: DirectoryNode, wanted: DirectoryNode): boolean {
  if (directory === wanted) return true;
  for (const node of directory.entries.values())
    if (node.kind === "directory" && contains(node, wanted)) return true;
  return false;
}
