/**
 * WASI preview 1 for one instance. What it answers depends on the turn and the image alone: the clock is the turn's time, randomness its
 * seed, arguments and environment are empty, files are in memory. Nothing waits, and there are no sockets.
 *
 * A pointer out of bounds or a wrong argument is an error number for the module. `proc_exit` ends the turn.
 */
import type { WASI_IMPORTS } from "@vnes/kernel";
import type { TurnRun } from "@vnes/sdk/adapter";
import type { GuestMemory } from "./guest-memory.ts";
import { decodeUtf8, encodeUtf8, utf8Length } from "./utf8.ts";
import type { Functions } from "./vnes-functions.ts";
import { type OpenDirectory, WasiDescriptors } from "./wasi-descriptors.ts";
import { ERRNO, WasiError } from "./wasi-errno.ts";
import { type Found, WasiFiles, type WasiNode } from "./wasi-files.ts";

const FILE_TYPE = { character: 2, directory: 3, file: 4 } as const;
const O = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
const APPEND = 1;
const RIGHT_TO_WRITE = 1n << 6n;
const ALL_RIGHTS = 0x1fff_ffffn;
const CLOCKS = 4;
const NANOSECONDS_PER_MS = 1_000_000n;
/** As `limits.h` has it where there is one. */
const MAX_VECTORS = 1_024;
const MAX_EVENTS = 1_024;

export interface Wasi {
  readonly functions: Functions<typeof WASI_IMPORTS>;
  /** A last line without an end becomes a line too. */
  flush(): void;
}

/** `run` is undefined while the module is being set up: then it is the beginning of time, and chance is zero. */
export function openWasi(
  memory: () => GuestMemory,
  given: ReadonlyMap<string, Uint8Array>,
  run: () => TurnRun | undefined,
): Wasi {
  const files = new WasiFiles(given);
  const open = new WasiDescriptors(files, (level, line) => run()?.log(level, line));
  const now = (): bigint => BigInt(run()?.at ?? 0) * NANOSECONDS_PER_MS;

  const part = (at: number, length: number): Uint8Array => {
    const bytes = memory().part(at, length);
    if (bytes === undefined) throw new WasiError("fault");
    return bytes;
  };
  const view = (at: number, length: number): DataView => {
    part(at, length);
    return new DataView(memory().bytes().buffer, at >>> 0, length);
  };
  const put32 = (at: number, value: number): void => view(at, 4).setUint32(0, value, true);
  const put64 = (at: number, value: bigint): void => view(at, 8).setBigUint64(0, value, true);
  const pathAt = (at: number, length: number): string => {
    const path = decodeUtf8(part(at, length));
    if (path === undefined) throw new WasiError("inval");
    return path;
  };
  const find = (fd: number, at: number, length: number): Found =>
    files.find(open.directory(fd).directory, pathAt(at, length));
  const existing = (fd: number, at: number, length: number): WasiNode => {
    const { node } = find(fd, at, length);
    if (node === undefined) throw new WasiError("noent");
    return node;
  };
  /** Calls `each` with the parts of a vector until one is not filled; the bytes moved go to `to`. */
  const vectors = (at: number, count: number, to: number, each: (bytes: Uint8Array) => number): void => {
    if (count >>> 0 > MAX_VECTORS) throw new WasiError("inval");
    const list = view(at, count * 8);
    let moved = 0;
    for (let index = 0; index < count; index++) {
      const bytes = part(list.getUint32(index * 8, true), list.getUint32(index * 8 + 4, true));
      const did = each(bytes);
      moved += did;
      if (did < bytes.length) break;
    }
    put32(to, moved);
  };
  const putStat = (at: number, type: number, inode: number, size: number): void => {
    const stat = view(at, 64);
    for (let byte = 0; byte < 64; byte++) stat.setUint8(byte, 0);
    stat.setBigUint64(8, BigInt(inode), true);
    stat.setUint8(16, type);
    stat.setBigUint64(24, 1n, true);
    stat.setBigUint64(32, BigInt(size), true);
  };
  const statOf = (at: number, node: WasiNode): void =>
    node.kind === "file"
      ? putStat(at, FILE_TYPE.file, node.inode, node.size)
      : putStat(at, FILE_TYPE.directory, node.inode, 0);
  const preopen = (fd: number): { readonly name: string; readonly length: number } => {
    const { preopen: name } = open.get(fd) as OpenDirectory;
    if (name === undefined) throw new WasiError("badf");
    return { name, length: utf8Length(name) };
  };
  const offset = (value: bigint): number => {
    const exact = Number(value);
    if (!Number.isSafeInteger(exact) || exact < 0) throw new WasiError("inval");
    return exact;
  };
  const there = (fd: number): void => void open.get(fd);
  const empty = (count: number, size: number): void => {
    put32(count, 0);
    put32(size, 0);
  };
  const refused = (name: keyof typeof ERRNO) => (): number => ERRNO[name];

  const functions: Functions<typeof WASI_IMPORTS> = {
    args_get: () => undefined,
    args_sizes_get: empty,
    environ_get: () => undefined,
    environ_sizes_get: empty,
    clock_res_get: (clock: number, to: number) => {
      if (clock >>> 0 >= CLOCKS) throw new WasiError("inval");
      put64(to, NANOSECONDS_PER_MS);
    },
    clock_time_get: (clock: number, _precision: bigint, to: number) => {
      if (clock >>> 0 >= CLOCKS) throw new WasiError("inval");
      put64(to, now());
    },
    fd_advise: (fd: number) => void open.file(fd),
    fd_allocate: refused("notsup"),
    fd_close: (fd: number) => open.close(fd),
    fd_datasync: there,
    fd_fdstat_get: (fd: number, to: number) => {
      const descriptor = open.get(fd);
      const stat = view(to, 24);
      for (let byte = 0; byte < 24; byte++) stat.setUint8(byte, 0);
      const { kind } = descriptor;
      stat.setUint8(0, kind === "file" || kind === "directory" ? FILE_TYPE[kind] : FILE_TYPE.character);
      if (descriptor.kind === "file" && descriptor.appends) stat.setUint16(2, APPEND, true);
      const rights =
        descriptor.kind === "file" && !descriptor.canWrite ? ALL_RIGHTS & ~RIGHT_TO_WRITE : ALL_RIGHTS;
      stat.setBigUint64(8, rights, true);
      stat.setBigUint64(16, rights, true);
    },
    fd_fdstat_set_flags: (fd: number, flags: number) => {
      const descriptor = open.get(fd);
      if (descriptor.kind === "file") descriptor.appends = (flags & APPEND) !== 0;
    },
    fd_fdstat_set_rights: there,
    fd_filestat_get: (fd: number, to: number) => {
      const descriptor = open.get(fd);
      if (descriptor.kind === "file") statOf(to, descriptor.file);
      else if (descriptor.kind === "directory") statOf(to, descriptor.directory);
      else putStat(to, FILE_TYPE.character, 0, 0);
    },
    fd_filestat_set_size: (fd: number, size: bigint) => {
      const { file, canWrite } = open.file(fd);
      if (!canWrite) throw new WasiError("badf");
      files.resize(file, offset(size));
    },
    fd_filestat_set_times: refused("notsup"),
    fd_pread: (fd: number, list: number, count: number, at: bigint, to: number) => {
      let from = offset(at);
      vectors(list, count, to, (bytes) => {
        const did = open.read(fd, bytes, from);
        from += did;
        return did;
      });
    },
    fd_prestat_get: (fd: number, to: number) => {
      const { length } = preopen(fd);
      put32(to, 0);
      put32(to + 4, length);
    },
    fd_prestat_dir_name: (fd: number, to: number, room: number) => {
      const { name, length } = preopen(fd);
      if (room >>> 0 < length) throw new WasiError("nametoolong");
      encodeUtf8(name, part(to, length), 0);
    },
    fd_pwrite: (fd: number, list: number, count: number, at: bigint, to: number) => {
      let from = offset(at);
      vectors(list, count, to, (bytes) => {
        const did = open.write(fd, bytes, from);
        from += did;
        return did;
      });
    },
    fd_read: (fd: number, list: number, count: number, to: number) =>
      vectors(list, count, to, (bytes) => open.read(fd, bytes)),
    fd_readdir: (fd: number, at: number, room: number, cookie: bigint, to: number) => {
      const { directory } = open.directory(fd);
      const into = part(at, room);
      let used = 0;
      // By name, so that the order says nothing of how the directory came to be.
      const names = [".", "..", ...[...directory.entries.keys()].sort()];
      for (let index = offset(cookie); index < names.length && used < into.length; index++) {
        const name = names[index] as string;
        const entry = direntOf(index + 1, name, directory.entries.get(name) ?? directory);
        const kept = entry.subarray(0, into.length - used);
        into.set(kept, used);
        used += kept.length;
      }
      put32(to, used);
    },
    fd_renumber: (from: number, to: number) => open.renumber(from, to),
    fd_seek: (fd: number, by: bigint, whence: number, to: number) =>
      put64(to, BigInt(open.seek(fd, Number(by), whence))),
    fd_sync: there,
    fd_tell: (fd: number, to: number) => put64(to, BigInt(open.file(fd).offset)),
    fd_write: (fd: number, list: number, count: number, to: number) =>
      vectors(list, count, to, (bytes) => open.write(fd, bytes)),
    path_create_directory: (fd: number, at: number, length: number) =>
      files.makeDirectory(find(fd, at, length)),
    path_filestat_get: (fd: number, _follow: number, at: number, length: number, to: number) =>
      statOf(to, existing(fd, at, length)),
    path_filestat_set_times: refused("notsup"),
    path_link: refused("notsup"),
    path_open: (
      fd: number,
      _follow: number,
      at: number,
      length: number,
      oflags: number,
      rights: bigint,
      _inherited: bigint,
      flags: number,
      to: number,
    ) => {
      const found = find(fd, at, length);
      put32(to, opened(found, oflags, (rights & RIGHT_TO_WRITE) !== 0n, (flags & APPEND) !== 0));
    },
    path_readlink: (fd: number, at: number, length: number) => {
      existing(fd, at, length);
      throw new WasiError("inval");
    },
    path_remove_directory: (fd: number, at: number, length: number) =>
      files.remove(find(fd, at, length), "directory"),
    path_rename: (fd: number, at: number, length: number, toFd: number, toAt: number, toLength: number) =>
      files.rename(find(fd, at, length), find(toFd, toAt, toLength)),
    path_symlink: refused("notsup"),
    path_unlink_file: (fd: number, at: number, length: number) => files.remove(find(fd, at, length), "file"),
    poll_oneoff: (from: number, to: number, count: number, events: number) => {
      if (count === 0 || count >>> 0 > MAX_EVENTS) throw new WasiError("inval");
      const asked = view(from, count * 48);
      const told = view(to, count * 32);
      // Within a turn no time passes, so whatever is waited for is there.
      for (let index = 0; index < count; index++) {
        const [userdata, kind] = [asked.getBigUint64(index * 48, true), asked.getUint8(index * 48 + 8)];
        for (let byte = 0; byte < 32; byte++) told.setUint8(index * 32 + byte, 0);
        told.setBigUint64(index * 32, userdata, true);
        told.setUint8(index * 32 + 10, kind);
      }
      put32(events, count);
    },
    proc_exit: (code: number) => {
      const message = `the module called proc_exit(${code})`;
      const turn = run();
      if (turn === undefined) throw new Error(message);
      return turn.fail("TURN_HANDLER_THREW", message);
    },
    proc_raise: refused("notsup"),
    random_get: (at: number, length: number) => {
      const bytes = part(at, length);
      const turn = run();
      for (let index = 0; index < bytes.length; index++)
        bytes[index] = turn === undefined ? 0 : Math.floor(turn.random() * 256);
    },
    sched_yield: () => undefined,
    sock_accept: refused("notsock"),
    sock_recv: refused("notsock"),
    sock_send: refused("notsock"),
    sock_shutdown: refused("notsock"),
  };

  function opened(found: Found, oflags: number, canWrite: boolean, appends: boolean): number {
    let { node } = found;
    if (node === undefined && (oflags & O.create) !== 0 && (oflags & O.directory) === 0) {
      node = files.makeFile(found);
    } else if (node === undefined) {
      throw new WasiError("noent");
    } else if ((oflags & O.create) !== 0 && (oflags & O.exclusive) !== 0) {
      throw new WasiError("exist");
    }
    if (node.kind === "directory") {
      // A directory is opened with whatever rights a library thinks of.
      if ((oflags & (O.create | O.truncate)) !== 0) throw new WasiError("isdir");
      return open.add({ kind: "directory", directory: node });
    }
    if ((oflags & O.directory) !== 0) throw new WasiError("notdir");
    const truncates = (oflags & O.truncate) !== 0;
    if (!node.isScratch && (canWrite || truncates)) throw new WasiError("rofs");
    const fd = open.add({ kind: "file", file: node, canWrite, appends, offset: 0 });
    if (truncates) files.resize(node, 0);
    return fd;
  }

  return { functions: answered(functions), flush: () => open.flush() };
}

function direntOf(next: number, name: string, node: WasiNode): Uint8Array {
  const length = utf8Length(name);
  const entry = new Uint8Array(24 + length);
  const view = new DataView(entry.buffer);
  view.setBigUint64(0, BigInt(next), true);
  view.setBigUint64(8, BigInt(node.inode), true);
  view.setUint32(16, length, true);
  view.setUint8(20, FILE_TYPE[node.kind]);
  encodeUtf8(name, entry, 24);
  return entry;
}

/** What they throw as a number, and no result as success. */
function answered(functions: Functions<typeof WASI_IMPORTS>): Functions<typeof WASI_IMPORTS> {
  const all = Object.entries(functions).map(([name, call]) => [
    name,
    (...args: never[]): unknown => {
      try {
        return call(...args) ?? ERRNO.success;
      } catch (cause) {
        if (cause instanceof WasiError) return cause.errno;
        throw cause;
      }
    },
  ]);
  return Object.fromEntries(all) as Functions<typeof WASI_IMPORTS>;
}
