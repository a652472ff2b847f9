/** WASI preview 1 as a module sees it: what depends on the world is the turn's, files are in memory, nothing leads out. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openHostSandbox } from "@vnes/driver-sandbox";
import type { LogLine } from "@vnes/schemas";
import type { TurnRun } from "@vnes/sdk/adapter";
import { GuestMemory } from "../src/adapter/guest-memory.ts";
import { ERRNO } from "../src/adapter/wasi-errno.ts";
import { openWasi } from "../src/adapter/wasi-functions.ts";
import { wasmExecutor } from "../src/index.ts";
import { AT, callOf } from "../../../contracts/sandbox-lab.ts";
import { finish, specOf, watModule } from "./modules.ts";

const CAPSULE = 3;
const SCRATCH = 4;
const NAME = 1_000;
const LIST = 2_000;
const OUT = 3_000;
const DATA = 10_000;
const CREATE = 1;
const TRUNCATE = 8;
const WRITE = 1n << 6n;
const READ = 1n << 1n;

class Guest {
  readonly buffer = new ArrayBuffer(65_536);
  readonly bytes = new Uint8Array(this.buffer);
  readonly view = new DataView(this.buffer);
  readonly lines: string[] = [];
  readonly flush: () => void;
  readonly #functions: { readonly [name: string]: (...args: unknown[]) => unknown };

  constructor(files: { readonly [path: string]: string } = {}) {
    const given = new Map(
      Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)]),
    );
    const run = {
      at: AT,
      random: () => 0.5,
      log: (level: LogLine["level"], line: string) => void this.lines.push(`${level} ${line}`),
      fail: (code: string, message: string): never => {
        throw new Error(`${code}: ${message}`);
      },
    } as unknown as TurnRun;
    const memory = new GuestMemory({ buffer: this.buffer });
    const { functions, flush } = openWasi(
      () => memory,
      given,
      () => run,
    );
    this.#functions = functions as never;
    this.flush = flush;
  }

  call(name: string, ...args: unknown[]): number {
    return this.#functions[name]?.(...args) as number;
  }

  /** Writes a path and answers where it is. */
  path(text: string): [at: number, length: number] {
    return [NAME, new TextEncoder().encodeInto(text, this.bytes.subarray(NAME)).written];
  }

  /** One vector over `DATA`. */
  vector(length: number): [list: number, count: number] {
    this.view.setUint32(LIST, DATA, true);
    this.view.setUint32(LIST + 4, length, true);
    return [LIST, 1];
  }

  open(dir: number, path: string, oflags = 0, rights = READ, flags = 0): number {
    const errno = this.call("path_open", dir, 1, ...this.path(path), oflags, rights, 0n, flags, OUT);
    return errno === 0 ? this.view.getUint32(OUT, true) : -errno;
  }

  read(fd: number, length = 100): string {
    assert.equal(this.call("fd_read", fd, ...this.vector(length), OUT), 0);
    return new TextDecoder().decode(this.bytes.slice(DATA, DATA + this.view.getUint32(OUT, true)));
  }

  write(fd: number, text: string): number {
    const { written } = new TextEncoder().encodeInto(text, this.bytes.subarray(DATA));
    return this.call("fd_write", fd, ...this.vector(written), OUT);
  }

  list(fd: number, room = 1_000, cookie = 0n): string[] {
    assert.equal(this.call("fd_readdir", fd, DATA, room, cookie, OUT), 0);
    const names: string[] = [];
    const used = this.view.getUint32(OUT, true);
    for (let at = DATA; at + 24 <= DATA + used; ) {
      const length = this.view.getUint32(at + 16, true);
      if (at + 24 + length > DATA + used) break;
      names.push(new TextDecoder().decode(this.bytes.slice(at + 24, at + 24 + length)));
      at += 24 + length;
    }
    return names;
  }
}

test("the clock is the turn's, whichever is asked, and chance is the turn's", () => {
  const guest = new Guest();
  for (const clock of [0, 1, 2, 3]) {
    assert.equal(guest.call("clock_time_get", clock, 0n, OUT), 0);
    assert.equal(guest.view.getBigUint64(OUT, true), BigInt(AT) * 1_000_000n);
  }
  assert.equal(guest.call("clock_time_get", 4, 0n, OUT), ERRNO.inval);
  assert.equal(guest.call("random_get", DATA, 4), 0);
  assert.deepEqual([...guest.bytes.slice(DATA, DATA + 5)], [128, 128, 128, 128, 0]);
});

test("arguments and environment are empty", () => {
  const guest = new Guest();
  for (const name of ["args_sizes_get", "environ_sizes_get"]) {
    guest.view.setBigUint64(OUT, -1n as never, true);
    assert.equal(guest.call(name, OUT, OUT + 4), 0);
    assert.equal(guest.view.getBigUint64(OUT, true), 0n);
  }
});

test("the capsule's files are read, and every way to change them is refused", () => {
  const guest = new Guest({ "data/words.txt": "one two", "top.json": "{}" });
  const fd = guest.open(CAPSULE, "data/words.txt");
  assert.deepEqual([guest.read(fd, 3), guest.read(fd), guest.read(fd)], ["one", " two", ""]);
  assert.equal(guest.call("fd_seek", fd, -3n, 2, OUT), 0);
  assert.equal(guest.read(fd), "two");
  assert.equal(guest.call("fd_seek", fd, -1n, 0, OUT), ERRNO.inval);
  assert.deepEqual(guest.list(guest.open(CAPSULE, ".")), [".", "..", "data", "top.json"]);
  assert.equal(guest.write(fd, "x"), ERRNO.badf);
  const rofs = -ERRNO.rofs;
  assert.equal(guest.open(CAPSULE, "new", CREATE), rofs);
  assert.equal(guest.open(CAPSULE, "top.json", 0, WRITE), rofs);
  assert.equal(guest.open(CAPSULE, "top.json", TRUNCATE), rofs);
  for (const name of ["path_unlink_file", "path_create_directory"])
    assert.ok(
      [ERRNO.rofs, ERRNO.exist].includes(guest.call(name, CAPSULE, ...guest.path("top.json")) as never),
    );
  assert.equal(guest.call("path_create_directory", CAPSULE, ...guest.path("made")), ERRNO.rofs);
  assert.equal(guest.call("path_rename", CAPSULE, ...guest.path("top.json"), SCRATCH, NAME, 3), ERRNO.rofs);
  assert.equal(guest.call("fd_filestat_set_size", fd, 0n), ERRNO.badf);
  assert.equal(guest.read(guest.open(CAPSULE, "top.json")), "{}");
});

test("no path leads out of the directory it starts from, and there are no links", () => {
  const guest = new Guest({ "data/words.txt": "one" });
  for (const path of [
    "..",
    "../x",
    "data/../../x",
    "data/../..",
    "./../tmp",
    "/etc/passwd",
    "/capsule/data",
    "//",
  ])
    assert.equal(guest.open(CAPSULE, path), -ERRNO.notcapable, path);
  assert.equal(guest.open(guest.open(CAPSULE, "data"), "../data/words.txt"), -ERRNO.notcapable);
  assert.equal(guest.open(CAPSULE, "nowhere/../data"), -ERRNO.noent);
  assert.equal(guest.open(CAPSULE, "data/words.txt/.."), -ERRNO.notdir);
  assert.equal(guest.open(CAPSULE, "data/words.txt/x"), -ERRNO.notdir);
  assert.equal(guest.open(CAPSULE, "data\0/words.txt"), -ERRNO.inval);
  assert.equal(guest.open(CAPSULE, "constructor"), -ERRNO.noent);
  assert.equal(guest.open(CAPSULE, ""), -ERRNO.noent);
  assert.equal(guest.open(CAPSULE, "x/".repeat(4_000)), -ERRNO.nametoolong);
  assert.ok(guest.open(CAPSULE, "./data/../data//words.txt") > SCRATCH);
  assert.equal(guest.call("path_symlink", ...guest.path("/etc"), SCRATCH, NAME, 4), ERRNO.notsup);
  assert.equal(guest.call("path_link", SCRATCH, 0, ...guest.path("a"), SCRATCH, NAME, 1), ERRNO.notsup);
  assert.equal(guest.call("path_readlink", CAPSULE, ...guest.path("data"), DATA, 10, OUT), ERRNO.inval);
});

test("scratch is read and written, within its bounds, and what is removed makes room once it is closed", () => {
  const guest = new Guest();
  assert.equal(guest.call("path_create_directory", SCRATCH, ...guest.path("d")), 0);
  const fd = guest.open(SCRATCH, "d/f", CREATE, READ | WRITE);
  assert.equal(guest.write(fd, "hello"), 0);
  assert.equal(guest.call("fd_seek", fd, 8n, 0, OUT), 0);
  assert.equal(guest.write(fd, "there"), 0);
  const reading = guest.open(SCRATCH, "d/f");
  assert.equal(guest.read(reading), "hello\0\0\0there");
  assert.equal(guest.call("path_remove_directory", SCRATCH, ...guest.path("d")), ERRNO.notempty);
  const size = (bytes: bigint): number => guest.call("fd_filestat_set_size", fd, bytes);
  assert.equal(size(1_048_577n), ERRNO.nospc);
  assert.equal(size(1_000_000n), 0);
  const other = guest.open(SCRATCH, "o", CREATE, WRITE);
  const fill = (): number => guest.call("fd_filestat_set_size", other, 100_000n);
  assert.equal(fill(), ERRNO.nospc);
  assert.equal(guest.call("path_unlink_file", SCRATCH, ...guest.path("d/f")), 0);
  assert.equal(fill(), ERRNO.nospc);
  assert.equal(guest.call("fd_close", fd), 0);
  assert.equal(fill(), ERRNO.nospc);
  assert.equal(guest.call("fd_close", reading), 0);
  assert.equal(fill(), 0);
  assert.equal(guest.call("path_remove_directory", SCRATCH, ...guest.path("d")), 0);
  assert.deepEqual(guest.list(SCRATCH), [".", "..", "o"]);
});

test("a directory is neither moved into itself nor replaced by a file", () => {
  const guest = new Guest();
  for (const path of ["a", "a/b"]) guest.call("path_create_directory", SCRATCH, ...guest.path(path));
  guest.open(SCRATCH, "f", CREATE, WRITE);
  const move = (from: string, to: string): number => {
    guest.bytes.set(new TextEncoder().encode(to), NAME + 100);
    return guest.call("path_rename", SCRATCH, ...guest.path(from), SCRATCH, NAME + 100, to.length);
  };
  assert.equal(move("a", "a/b/c"), ERRNO.inval);
  assert.equal(move("f", "a"), ERRNO.isdir);
  assert.equal(move("a", "f"), ERRNO.notdir);
  assert.equal(move("a/b", "c"), 0);
  assert.equal(move("f", "a/b"), 0);
  assert.deepEqual(guest.list(guest.open(SCRATCH, "a")), [".", "..", "b"]);
});

test("a directory is listed by name and goes on where it was cut", () => {
  const guest = new Guest({ b: "", a: "", c: "" });
  assert.deepEqual(guest.list(CAPSULE, 24 + 1 + 24 + 2 + 24 + 1), [".", "..", "a"]);
  assert.deepEqual(guest.list(CAPSULE, 1_000, 3n), ["b", "c"]);
});

test("standard output and error become lines; what is long is cut, what has no end is told at the end", () => {
  const guest = new Guest();
  assert.equal(guest.write(1, "one\ntw"), 0);
  assert.equal(guest.write(2, "problem\n"), 0);
  assert.equal(guest.write(1, "o\n\n"), 0);
  assert.equal(guest.write(1, `${"x".repeat(9_000)}\nrest`), 0);
  guest.flush();
  assert.deepEqual(
    guest.lines.map((line) => line.slice(0, 20)),
    ["info one", "warn problem", "info two", "info ", "info xxxxxxxxxxxxxxx", "info rest"],
  );
  assert.equal(guest.lines[4]?.length, 8_005);
  assert.equal(guest.read(0), "");
});

test("waiting is over at once; there are no sockets; leaving ends the turn", () => {
  const guest = new Guest();
  guest.view.setBigUint64(LIST, 7n, true);
  assert.equal(guest.call("poll_oneoff", LIST, DATA, 1, OUT), 0);
  assert.equal(guest.view.getBigUint64(DATA, true), 7n);
  assert.equal(guest.view.getUint32(OUT, true), 1);
  for (const name of ["sock_accept", "sock_recv", "sock_send", "sock_shutdown"])
    assert.equal(guest.call(name, CAPSULE, 0, 0), ERRNO.notsock);
  assert.throws(() => guest.call("proc_exit", 3), /TURN_HANDLER_THREW: the module called proc_exit\(3\)/);
});

test("pointers out of bounds are told, and nothing was moved", () => {
  const guest = new Guest({ f: "one" });
  const fd = guest.open(CAPSULE, "f");
  guest.view.setUint32(LIST, 65_535, true);
  guest.view.setUint32(LIST + 4, 2, true);
  assert.equal(guest.call("fd_read", fd, LIST, 1, OUT), ERRNO.fault);
  assert.equal(guest.call("fd_read", fd, -4, 1, OUT), ERRNO.fault);
  assert.equal(guest.call("fd_read", fd, LIST, 1_025, OUT), ERRNO.inval);
  assert.equal(guest.call("random_get", 65_000, 1_000), ERRNO.fault);
  assert.equal(guest.call("clock_time_get", 0, 0n, 65_530), ERRNO.fault);
  assert.equal(guest.call("path_open", CAPSULE, 0, -1, 5, 0, 0n, 0n, 0, OUT), ERRNO.fault);
  assert.equal(guest.read(fd), "one");
});

const sandbox = openHostSandbox(wasmExecutor);
after(() => sandbox[Symbol.asyncDispose]());

test("a module reads a file of its capsule and the clock, and prints; its next turn begins with nothing open", async () => {
  const module = watModule(
    `(i32.store (i32.const 2048) (i32.const 4096)) (i32.store (i32.const 2052) (i32.const 64))
     (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 3000) (i32.const 8) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 2060)))
     (if (i32.ne (i32.load (i32.const 2060)) (i32.const 5)) (then unreachable))
     (drop (call $fd_read (i32.load (i32.const 2060)) (i32.const 2048) (i32.const 1) (i32.const 2064)))
     (i32.store (i32.const 2052) (i32.load (i32.const 2064)))
     (drop (call $fd_write (i32.const 2) (i32.const 2048) (i32.const 1) (i32.const 2064)))
     (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 2072)))
     (if (i64.ne (i64.load (i32.const 2072)) (i64.const ${AT}000000)) (then unreachable))`,
    {
      head: `(import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))`,
      more: '(data (i32.const 3000) "data/a.b")',
    },
  );
  const one = await sandbox.open(specOf(module, { files: { "impl/data/a.b": "from a file" } }));
  for (let turn = 0; turn < 2; turn++) {
    const result = await finish(one, callOf("go"));
    assert.deepEqual(result.kind === "done" && result.logs, [{ level: "warn", message: "from a file" }]);
  }
});
