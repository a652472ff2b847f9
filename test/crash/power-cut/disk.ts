/**
 * A disk with a cache that a power cut empties: the worst a correct disk may do. Content is kept once the file was
 * synced, a name (made, moved or removed) once its directory was.
 *
 * D1. A sync keeps what had ended before it began; what ran beside it is lost.
 * D2. What was there at the start counts as kept.
 * D3. With a `survives` choice, any part of the lost content may have reached the disk anyway, in any order.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readTrace, type TracedCall } from "./trace.ts";

type Change =
  | { readonly line: number; readonly at: number; readonly bytes: Buffer }
  | { readonly line: number; readonly size: number };

interface Inode {
  kept: Buffer;
  keptSize: number;
  /** Length as the process sees it, for appending. */
  size: number;
  position: number;
  appends: boolean;
  cached: Change[];
}

interface NameChange {
  readonly line: number;
  readonly directory: string;
  readonly path: string;
  readonly inode: Inode | undefined;
}

export class CachedDisk {
  readonly #root: string;
  readonly #names = new Map<string, Inode>();
  readonly #keptNames = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];

  /** Starts from the files of a directory as they are now, or empty. `root`: where the traced process will see them. */
  constructor(root: string, snapshot: string | undefined) {
    this.#root = root;
    if (snapshot === undefined) return;
    for (const path of filesBelow(snapshot)) {
      const content = readFileSync(join(snapshot, path));
      const inode = newInode(content);
      this.#names.set(join(root, path), inode);
      this.#keptNames.set(join(root, path), inode);
    }
  }

  async replay(trace: string): Promise<number> {
    let calls = 0;
    for await (const traced of readTrace(trace, this.#root)) {
      this.apply(traced);
      calls++;
    }
    return calls;
  }

  apply({ line, event }: TracedCall): void {
    switch (event.call) {
      case "open": {
        let inode = this.#names.get(event.path);
        if (inode === undefined && event.creates) {
          inode = newInode(Buffer.alloc(0));
          this.#rename(line, event.path, inode);
        }
        if (inode === undefined) return;
        inode.position = 0;
        inode.appends = event.appends;
        if (event.truncates) this.#change(inode, { line, size: 0 });
        return;
      }
      case "write": {
        const inode = this.#names.get(event.path);
        if (inode === undefined) return;
        const at = event.at ?? (inode.appends ? inode.size : inode.position);
        this.#change(inode, { line, at, bytes: event.bytes });
        if (event.at === null) inode.position = at + event.bytes.length;
        return;
      }
      case "truncate": {
        const inode = this.#names.get(event.path);
        if (inode !== undefined) this.#change(inode, { line, size: event.size });
        return;
      }
      case "sync":
        this.#sync(event.path, event.startedAt);
        return;
      case "unlink":
        this.#rename(line, event.path, undefined);
        return;
      case "rename": {
        const inode = this.#names.get(event.from);
        if (inode === undefined) return;
        this.#rename(line, event.to, inode);
        this.#rename(line, event.from, undefined);
        return;
      }
    }
  }

  /** The same disk, to be cut while this one goes on. */
  copy(): CachedDisk {
    const copy = new CachedDisk(this.#root, undefined);
    const inodes = new Map<Inode, Inode>();
    const copied = (inode: Inode): Inode => {
      const known = inodes.get(inode);
      if (known !== undefined) return known;
      const made = { ...inode, kept: Buffer.from(inode.kept), cached: [...inode.cached] };
      inodes.set(inode, made);
      return made;
    };
    for (const [path, inode] of this.#names) copy.#names.set(path, copied(inode));
    for (const [path, inode] of this.#keptNames) copy.#keptNames.set(path, copied(inode));
    copy.#nameChanges = this.#nameChanges.map((change) => ({
      ...change,
      inode: change.inode === undefined ? undefined : copied(change.inode),
    }));
    return copy;
  }

  /** Writes what a power cut now would leave into an empty directory. Returns how many changes were lost. */
  writeTo(target: string, survives: () => boolean = () => false): number {
    let lost = this.#nameChanges.length;
    mkdirSync(target, { recursive: true, mode: 0o700 });
    for (const [path, inode] of this.#keptNames) {
      for (const change of inode.cached) {
        if (survives()) keep(inode, change);
        else lost++;
      }
      const file = join(target, path.slice(this.#root.length));
      mkdirSync(dirname(file), { recursive: true });
      // What was recorded says nothing of permissions; a node refuses a key of its own that others may read.
      writeFileSync(file, inode.kept.subarray(0, inode.keptSize), { mode: 0o600 });
    }
    return lost;
  }

  #change(inode: Inode, change: Change): void {
    inode.size = "size" in change ? change.size : Math.max(inode.size, change.at + change.bytes.length);
    inode.cached.push(change);
  }

  #rename(line: number, path: string, inode: Inode | undefined): void {
    if (inode === undefined) this.#names.delete(path);
    else this.#names.set(path, inode);
    this.#nameChanges.push({ line, directory: dirname(path), path, inode });
  }

  #sync(path: string, startedAt: number): void {
    const inode = this.#names.get(path);
    if (inode !== undefined) {
      for (const change of inode.cached) if (change.line < startedAt) keep(inode, change);
      inode.cached = inode.cached.filter((change) => change.line >= startedAt);
      return;
    }
    const isKept = (change: NameChange): boolean => change.directory === path && change.line < startedAt;
    for (const change of this.#nameChanges) {
      if (!isKept(change)) continue;
      if (change.inode === undefined) this.#keptNames.delete(change.path);
      else this.#keptNames.set(change.path, change.inode);
    }
    this.#nameChanges = this.#nameChanges.filter((change) => !isKept(change));
  }
}

/** The files of a directory as `CachedDisk` starts from them; sockets and the like are left out. */
export function snapshotFiles(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    filter: (source) => statSync(source).isFile() || statSync(source).isDirectory(),
  });
}

function newInode(content: Buffer): Inode {
  return {
    kept: content,
    keptSize: content.length,
    size: content.length,
    position: 0,
    appends: false,
    cached: [],
  };
}

function keep(inode: Inode, change: Change): void {
  if ("size" in change) {
    grow(inode, change.size);
    if (change.size < inode.keptSize) inode.kept.fill(0, change.size, inode.keptSize);
    inode.keptSize = change.size;
    return;
  }
  const end = change.at + change.bytes.length;
  grow(inode, end);
  change.bytes.copy(inode.kept, change.at);
  inode.keptSize = Math.max(inode.keptSize, end);
}

function grow(inode: Inode, size: number): void {
  if (size <= inode.kept.length) return;
  const larger = Buffer.alloc(Math.max(size, 2 * inode.kept.length));
  inode.kept.copy(larger);
  inode.kept = larger;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}
