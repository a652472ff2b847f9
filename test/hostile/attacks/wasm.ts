/** Modules that mean harm: what `t.go` does, in WebAssembly text (`watModule`), and what its turn may end in. */
import { imageOf, type Watch, watModule } from "../../../kernel/drivers/wasm/test/modules.ts";
import type { Attack } from "../attack.ts";

export interface HostileModule extends Watch {
  readonly name: string;
  readonly go: string;
  readonly ends: readonly string[];
}

const INVALID = ["TURN_EFFECT_INVALID"];
const THREW = ["TURN_HANDLER_THREW"];
const DEADLINE = ["TURN_DEADLINE"];
const DONE = ["done"];

const importOf = (name: string, params: string, result = ""): string =>
  `(import "vnes" "${name}" (func $${name} (param ${params})${result === "" ? "" : ` (result ${result})`}))`;
const SET = importOf("set", "i32 i32 i32 i32 i32 i32");
const GET = importOf("get", "i32 i32", "i32");
const LOG = importOf("log", "i32 i32 i32 i32 i32");
const PUBLISH = importOf("publish", "i32 i32 i32 i32 i32 i32");
const wasi = (name: string, params: string, result = "(result i32)"): string =>
  `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) ${result}))`;
const set = (key: string, value: string, options = "(i32.const 0) (i32.const 0)"): string =>
  `(call $set ${key} ${value} ${options})`;
const KEY = "(i32.const 1020) (i32.const 1)";
const fill = (at: number, byte: number, length: number): string =>
  `(memory.fill (i32.const ${at}) (i32.const ${byte}) (i32.const ${length}))`;
const forever = (body: string): string => `(loop $again ${body} (br $again))`;
const GROW_ALL = `(drop (memory.grow (i32.sub (i32.const 256) (memory.size))))
  (memory.fill (i32.const 2048) (i32.const 7) (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 2048)))`;

const OPEN = wasi("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32");
/** Paths as they stand in a module's text. */
const LEAVING: readonly (readonly [what: string, path: string])[] = [
  ["the folder above its own", ".."],
  ["what lies above by a way down and up", "a/../../etc/passwd"],
  ["what lies above behind dots and slashes", ".//./..//.//../proc/self/environ"],
  ["an absolute path", "/etc/passwd"],
  ["an absolute path within its own", "/capsule/../etc/passwd"],
  ["what a NUL hides", "a\\00/../../etc/passwd"],
  ["a folder by a name that is no UTF-8", "\\c0\\ae\\c0\\ae/etc"],
];

/** Of the module below that tries them: paths that lead out, and one within. */
const TARGETS = [
  "(i32.const 2056) (i32.const 11)",
  "(i32.const 2072) (i32.const 6)",
  "(i32.const 2088) (i32.const 12)",
];
const WITHIN = "(i32.const 2048) (i32.const 2)";

export const HOSTILE_MODULES: readonly HostileModule[] = [
  { name: "loops", go: forever(""), ends: DEADLINE },
  {
    name: "recurses without end",
    go: "(drop (call $deeper (i32.const 0)))",
    more: "(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))",
    ends: THREW,
  },
  {
    name: "recurses without end and catches what comes of it",
    go: "(loop $again (try (do (drop (call $deeper (i32.const 0)))) (catch_all)) (br $again))",
    more: "(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))",
    ends: [...DEADLINE, ...THREW],
  },
  { name: "traps", go: "unreachable", ends: THREW },
  { name: "takes all the memory it may and writes to it", go: GROW_ALL, ends: DONE },
  { name: "takes all its memory and traps", go: `${GROW_ALL} unreachable`, ends: THREW },
  {
    name: "asks for more memory for ever (memory.grow)",
    go: forever("(drop (memory.grow (i32.const 16)))"),
    ends: DEADLINE,
  },
  {
    name: "asks for a larger table for ever",
    go: forever("(drop (table.grow (ref.null func) (i32.const 1000)))"),
    more: "(table 1 1000 funcref)",
    ends: DEADLINE,
  },
  { name: "moves its memory for ever", go: forever(fill(2048, 1, 100_000)), ends: DEADLINE },
  { name: "takes what nobody gave", go: "(call $take (i32.const 0))", ends: INVALID },
  {
    name: "has the delivery written outside of its memory",
    go: "(drop (call $get (i32.const 1020) (i32.const 1))) (call $id_) ",
    head: `${GET}${importOf("id", "i32 i32", "i32")}`,
    more: "(func $id_ (drop (call $id (i32.const 1020) (i32.const 1))) (call $take (i32.const -1)))",
    ends: INVALID,
  },
  {
    name: "names a key outside of its memory",
    head: SET,
    go: set("(i32.const -16) (i32.const 32)", KEY),
    ends: INVALID,
  },
  {
    name: "names a key of negative length",
    head: SET,
    go: set("(i32.const 0) (i32.const -1)", KEY),
    ends: INVALID,
  },
  {
    name: "names a value that ends outside",
    head: SET,
    go: set(KEY, "(i32.const 131071) (i32.const 2)"),
    ends: INVALID,
  },
  {
    name: "writes what is no UTF-8",
    head: SET,
    go: `${fill(2048, 0xc0, 2)} ${set("(i32.const 2048) (i32.const 2)", KEY)}`,
    ends: INVALID,
  },
  {
    name: "writes half a pair",
    head: SET,
    go: `(i32.store (i32.const 2048) (i32.const 0x80a0ed)) ${set("(i32.const 2048) (i32.const 3)", KEY)}`,
    ends: INVALID,
  },
  {
    name: "writes what is no JSON",
    head: SET,
    go: `${fill(2048, 0x7b, 3)} ${set(KEY, "(i32.const 2048) (i32.const 3)")}`,
    ends: INVALID,
  },
  {
    name: "writes JSON that is nested deeply",
    head: SET,
    go: `${fill(2048, 0x5b, 20_000)} ${fill(22_048, 0x5d, 20_000)} ${set(KEY, "(i32.const 2048) (i32.const 40000)")}`,
    ends: INVALID,
  },
  {
    name: "writes with options that are none",
    head: SET,
    go: set(KEY, KEY, KEY),
    ends: INVALID,
  },
  {
    name: "writes a giant key",
    head: SET,
    go: `${fill(2048, 0x61, 70_000)} ${set("(i32.const 2048) (i32.const 70000)", KEY)}`,
    ends: ["TURN_EFFECTS_TOO_LARGE"],
  },
  {
    name: "floods effects",
    head: PUBLISH,
    go: forever(`(call $publish ${KEY} ${KEY} ${KEY})`),
    ends: ["TURN_EFFECTS_TOO_LARGE", ...DEADLINE],
  },
  {
    name: "floods large effects",
    head: PUBLISH,
    go: `${fill(2048, 0x31, 15)} ${fill(2063, 0x20, 60_000)}
      ${forever(`(call $publish ${KEY} ${KEY} (i32.const 2048) (i32.const 60000))`)}`,
    ends: ["TURN_EFFECTS_TOO_LARGE"],
  },
  {
    name: "floods imports",
    head: '(import "vnes" "random" (func $random (result f64)))',
    go: forever("(drop (call $random))"),
    ends: DEADLINE,
  },
  {
    name: "floods its log",
    head: LOG,
    go: forever(`(call $log (i32.const 1) (i32.const 0) (i32.const 131072) ${KEY})`),
    ends: DEADLINE,
  },
  { name: "replies twice", go: `(call $reply ${KEY})`, ends: INVALID },
  {
    name: "catches a missing key and goes on",
    head: `${GET}${SET}`,
    go: `(try (do (drop (call $get (i32.const 1020) (i32.const 1)))) (catch_all ${set(KEY, KEY)}))`,
    ends: DONE,
  },
  {
    name: "catches its refusal and goes on",
    head: SET,
    go: `(try (do ${set("(i32.const 0) (i32.const -1)", KEY)}) (catch_all))`,
    ends: INVALID,
  },
  { name: "exits", head: wasi("proc_exit", "i32", ""), go: "(call $proc_exit (i32.const 0))", ends: THREW },
  {
    name: "wants chance for all of its memory, for ever",
    head: wasi("random_get", "i32 i32"),
    go: forever("(drop (call $random_get (i32.const 2048) (i32.const 120000)))"),
    ends: DEADLINE,
  },
  {
    name: "prints for ever",
    head: wasi("fd_write", "i32 i32 i32 i32"),
    go: `(i32.store (i32.const 2048) (i32.const 0)) (i32.store (i32.const 2052) (i32.const 131072))
      ${forever("(drop (call $fd_write (i32.const 1) (i32.const 2048) (i32.const 1) (i32.const 2060)))")}`,
    ends: DEADLINE,
  },
  {
    name: "fills the scratch files until there is no room, and goes on",
    head: `${wasi("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32")}${wasi("fd_pwrite", "i32 i32 i32 i64 i32")}`,
    go: `(i32.store (i32.const 2048) (i32.const 0)) (i32.store (i32.const 2052) (i32.const 131072))
      (drop (call $path_open (i32.const 4) (i32.const 0) (i32.const 1020) (i32.const 1) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 2060)))
      (loop $again
        (local.set $i (call $fd_pwrite (i32.load (i32.const 2060)) (i32.const 2048) (i32.const 1) (i64.extend_i32_u (local.get $j)) (i32.const 2064)))
        (local.set $j (i32.add (local.get $j) (i32.const 131072)))
        (br_if $again (i32.eqz (local.get $i))))
      (if (i32.ne (local.get $i) (i32.const 51)) (then unreachable))
      (if (i32.gt_u (local.get $j) (i32.const 1310720)) (then unreachable))`,
    ends: DONE,
  },
  {
    name: "opens files until no more can be open, and goes on",
    head: wasi("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    go: `(loop $again
        (local.set $i (call $path_open (i32.const 4) (i32.const 0) (i32.const 1020) (i32.const 1) (i32.const 1) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 2060)))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $again (i32.eqz (local.get $i))))
      (if (i32.ne (local.get $i) (i32.const 33)) (then unreachable))
      (if (i32.ne (local.get $j) (i32.const 60)) (then unreachable))`,
    ends: DONE,
  },
  {
    name: "has no memory maximum",
    memory: '(export "memory") 2',
    go: GROW_ALL,
    ends: ["SANDBOX_BUNDLE_BROKEN"],
  },
  {
    name: "imports a memory with no maximum, and takes all there is",
    memory: '(import "env" "memory") 2',
    // 16 MB: what one instance may have here.
    go: `(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (if (i32.ne (memory.size) (i32.const 256)) (then unreachable))`,
    ends: DONE,
  },
  {
    name: "leaves its WASI preopens by links, renames and folders of its own",
    head: `${wasi("path_symlink", "i32 i32 i32 i32 i32")}${wasi("path_link", "i32 i32 i32 i32 i32 i32 i32")}${wasi("path_rename", "i32 i32 i32 i32 i32 i32")}${wasi("path_create_directory", "i32 i32 i32")}${wasi("path_readlink", "i32 i32 i32 i32 i32 i32")}${wasi("path_unlink_file", "i32 i32 i32")}`,
    more: `(data (i32.const 2048) "in") (data (i32.const 2056) "/etc/passwd") (data (i32.const 2072) "../out") (data (i32.const 2088) "in/../../out")`,
    go: `(if (i32.ne (call $path_create_directory (i32.const 4) (i32.const 2048) (i32.const 2)) (i32.const 0)) (then unreachable))
      (local.set $i (i32.const 3))
      (loop $folders
        ${[
          ...TARGETS.map((to) => `(call $path_symlink ${to} (local.get $i) ${WITHIN})`),
          ...TARGETS.map(
            (to) => `(call $path_link (local.get $i) (i32.const 1) ${to} (i32.const 4) ${WITHIN})`,
          ),
          ...TARGETS.map(
            (to) => `(call $path_rename (i32.const 4) (i32.const 2048) (i32.const 2) (local.get $i) ${to})`,
          ),
          ...TARGETS.map((from) => `(call $path_rename (local.get $i) ${from} (i32.const 4) ${WITHIN})`),
          ...TARGETS.map((at) => `(call $path_create_directory (local.get $i) ${at})`),
          ...TARGETS.map((at) => `(call $path_unlink_file (local.get $i) ${at})`),
          ...TARGETS.map(
            (at) =>
              `(call $path_readlink (local.get $i) ${at} (i32.const 4096) (i32.const 64) (i32.const 4200))`,
          ),
        ]
          .map((call) => `(if (i32.eqz ${call}) (then unreachable))`)
          .join("\n")}
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $folders (i32.lt_u (local.get $i) (i32.const 8))))`,
    ends: DONE,
  },
  {
    name: "asks WASI for its environment and arguments (environ_get, args_get)",
    head: ["environ", "args"]
      .map((what) => `${wasi(`${what}_sizes_get`, "i32 i32")}${wasi(`${what}_get`, "i32 i32")}`)
      .join(""),
    // Neither has anything, and none of the bytes where it would be is written.
    go: ["environ", "args"]
      .map(
        (what) => `${fill(2048, 0x7f, 4096)}
      (if (call $${what}_sizes_get (i32.const 1024) (i32.const 1028)) (then unreachable))
      (if (i64.ne (i64.load (i32.const 1024)) (i64.const 0)) (then unreachable))
      (if (call $${what}_get (i32.const 2048) (i32.const 4096)) (then unreachable))
      (local.set $i (i32.const 2048))
      (loop $each
        (if (i32.ne (i32.load8_u (local.get $i)) (i32.const 0x7f)) (then unreachable))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $each (i32.lt_u (local.get $i) (i32.const 6144))))`,
      )
      .join(""),
    ends: DONE,
  },
  {
    name: "looks for WASI preopens that are not its own, and into the folders above them",
    head: `${wasi("fd_prestat_get", "i32 i32")}${wasi("fd_prestat_dir_name", "i32 i32 i32")}${wasi("fd_readdir", "i32 i32 i32 i64 i32")}${wasi("fd_renumber", "i32 i32")}`,
    go: `(local.set $i (i32.const 5))
      (loop $more
        (if (i32.eqz (call $fd_prestat_get (local.get $i) (i32.const 2048))) (then unreachable))
        (if (i32.eqz (call $fd_prestat_dir_name (local.get $i) (i32.const 2048) (i32.const 4096))) (then unreachable))
        (if (i32.eqz (call $fd_readdir (local.get $i) (i32.const 2048) (i32.const 4096) (i64.const 0) (i32.const 2040))) (then unreachable))
        (if (i32.eqz (call $fd_renumber (local.get $i) (i32.const 4))) (then unreachable))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $i) (i32.const 2000))))
      ${["-1", "2147483647", "-2147483648"].map((fd) => `(if (i32.eqz (call $fd_prestat_get (i32.const ${fd}) (i32.const 2048))) (then unreachable))`).join("")}`,
    ends: DONE,
  },
  ...LEAVING.map(([what, path]) => ({
    name: `opens, out of its WASI preopens, ${what}`,
    head: OPEN,
    more: `(data (i32.const 2048) "${path}")`,
    // From the capsule's files and from scratch, with every flag and right there is: none is success.
    go: `(local.set $i (i32.const 3))
      (loop $folders
        (local.set $j (i32.const 0))
        (loop $flags
          (if (i32.eqz (call $path_open (local.get $i) (i32.const 1) (i32.const 2048) (i32.const ${new TextEncoder().encode(path.replaceAll(/\\../g, "x")).length}) (local.get $j) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 4096))) (then unreachable))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $flags (i32.lt_u (local.get $j) (i32.const 16))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $folders (i32.lt_u (local.get $i) (i32.const 8))))`,
    ends: DONE,
  })),
  {
    name: "takes the place of its standard streams and folders",
    head: `${wasi("fd_renumber", "i32 i32")}${wasi("fd_close", "i32")}${wasi("fd_write", "i32 i32 i32 i32")}`,
    go: `(drop (call $fd_renumber (i32.const 4) (i32.const 3)))
      (drop (call $fd_renumber (i32.const 3) (i32.const 1)))
      (drop (call $fd_renumber (i32.const 1) (i32.const -1)))
      (drop (call $fd_renumber (i32.const 2) (i32.const 2147483647)))
      (drop (call $fd_close (i32.const 0)))
      (drop (call $fd_close (i32.const 0)))
      (drop (call $fd_write (i32.const 1) (i32.const 2048) (i32.const 1) (i32.const 2060)))
      (if (i32.eqz (call $fd_renumber (i32.const 1) (i32.const -1))) (then unreachable))`,
    ends: DONE,
  },
  {
    name: "hands over vectors that are too many, too long, negative and on top of one another",
    head: `${OPEN}${wasi("fd_read", "i32 i32 i32 i32")}${wasi("fd_write", "i32 i32 i32 i32")}`,
    go: `(drop (call $path_open (i32.const 4) (i32.const 0) (i32.const 1020) (i32.const 1) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 4096)))
      (local.set $i (i32.load (i32.const 4096)))
      (i32.store (i32.const 2048) (i32.const 2048)) (i32.store (i32.const 2052) (i32.const -1))
      ${["2147483647", "-1", "1025", "1"]
        .flatMap((count) => [`$fd_read|${count}`, `$fd_write|${count}`])
        .map((call) => {
          const [name, count] = call.split("|");
          return `(if (i32.eqz (call ${name} (local.get $i) (i32.const 2048) (i32.const ${count}) (i32.const 2056))) (then unreachable))`;
        })
        .join("")}
      (i32.store (i32.const 2052) (i32.const 16))
      (drop (call $fd_write (local.get $i) (i32.const 2048) (i32.const 1) (i32.const 2048)))
      (drop (call $fd_read (local.get $i) (i32.const 131064) (i32.const 1) (i32.const 131068)))
      (if (i32.eqz (call $fd_read (local.get $i) (i32.const 131070) (i32.const 1) (i32.const 2056))) (then unreachable))`,
    ends: DONE,
  },
  {
    name: "waits for events without end, and for more than there can be",
    head: wasi("poll_oneoff", "i32 i32 i32 i32"),
    go: `(if (i32.eqz (call $poll_oneoff (i32.const 2048) (i32.const 2048) (i32.const -1) (i32.const 2040))) (then unreachable))
      (if (i32.eqz (call $poll_oneoff (i32.const 131060) (i32.const 2048) (i32.const 1) (i32.const 2040))) (then unreachable))
      ${forever("(drop (call $poll_oneoff (i32.const 2048) (i32.const 2100) (i32.const 1024) (i32.const 2040)))")}`,
    ends: DEADLINE,
  },
  {
    name: "makes folders in folders until there is no room, and goes on",
    head: wasi("path_create_directory", "i32 i32 i32"),
    more: `(data (i32.const 2048) "${"a/".repeat(300)}")`,
    go: `(local.set $i (i32.const 1))
      (loop $again
        (local.set $j (call $path_create_directory (i32.const 4) (i32.const 2048) (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 2)))
        (br_if $again (i32.eqz (local.get $j))))
      (if (i32.ne (local.get $j) (i32.const 51)) (then unreachable))`,
    ends: DONE,
  },
  {
    name: "goes down to the end of the stack and writes from there",
    head: SET,
    go: "(drop (call $deeper (i32.const 0)))",
    more: `(func $deeper (param i32) (result i32)
      (try (do (drop (call $deeper (i32.add (local.get 0) (i32.const 1))))) (catch_all ${set(KEY, KEY)}))
      (i32.const 1))`,
    ends: [...THREW, ...INVALID, ...DEADLINE, "TURN_EFFECTS_TOO_LARGE", ...DONE],
  },
];

export const WASM: readonly Attack[] = HOSTILE_MODULES.map(({ name, go, ends, ...more }) => ({
  name,
  language: "wasm",
  ends,
  spoils: false,
  program: async () => ({ image: imageOf(watModule(go, more)), entry: "impl/main.wasm" }),
}));
