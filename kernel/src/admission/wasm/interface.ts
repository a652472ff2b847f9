/**
 * What a WebAssembly module may import and has to export, with types as `binary.ts` writes them. The meaning of each function is in
 * `docs/wasm.md`; `kernel/drivers/wasm` provides them.
 */

/** Functions of the import module `vnes`. One that is here keeps its type and meaning; new ones may come. */
export const VNES_IMPORTS = {
  take: "i:",
  at: ":I",
  random: ":F",
  id: "ii:i",
  get: "ii:i",
  version: "ii:I",
  entries: "ii:i",
  set: "iiiiii:",
  delete: "iiii:",
  publish: "iiiiii:",
  call: "ii:",
  read: "ii:",
  answer: "iiii:",
  set_timer: "iiIii:",
  cancel_timer: "ii:",
  log: "iiiii:",
  reply: "ii:",
  refuse: "iiiiii:",
  later: ":",
  unhandled: ":",
  fail: "ii:",
} as const;

/** WASI preview 1, `wasi_snapshot_preview1`: all of it, though not all of it does something. */
export const WASI_IMPORTS = {
  args_get: "ii:i",
  args_sizes_get: "ii:i",
  environ_get: "ii:i",
  environ_sizes_get: "ii:i",
  clock_res_get: "ii:i",
  clock_time_get: "iIi:i",
  fd_advise: "iIIi:i",
  fd_allocate: "iII:i",
  fd_close: "i:i",
  fd_datasync: "i:i",
  fd_fdstat_get: "ii:i",
  fd_fdstat_set_flags: "ii:i",
  fd_fdstat_set_rights: "iII:i",
  fd_filestat_get: "ii:i",
  fd_filestat_set_size: "iI:i",
  fd_filestat_set_times: "iIIi:i",
  fd_pread: "iiiIi:i",
  fd_prestat_get: "ii:i",
  fd_prestat_dir_name: "iii:i",
  fd_pwrite: "iiiIi:i",
  fd_read: "iiii:i",
  fd_readdir: "iiiIi:i",
  fd_renumber: "ii:i",
  fd_seek: "iIii:i",
  fd_sync: "i:i",
  fd_tell: "ii:i",
  fd_write: "iiii:i",
  path_create_directory: "iii:i",
  path_filestat_get: "iiiii:i",
  path_filestat_set_times: "iiiiIIi:i",
  path_link: "iiiiiii:i",
  path_open: "iiiiiIIii:i",
  path_readlink: "iiiiii:i",
  path_remove_directory: "iii:i",
  path_rename: "iiiiii:i",
  path_symlink: "iiiii:i",
  path_unlink_file: "iii:i",
  poll_oneoff: "iiii:i",
  proc_exit: "i:",
  proc_raise: "i:i",
  random_get: "ii:i",
  sched_yield: ":i",
  sock_accept: "iii:i",
  sock_recv: "iiiiii:i",
  sock_send: "iiiii:i",
  sock_shutdown: "ii:i",
} as const;

export const WASM_IMPORTS: { readonly [module: string]: { readonly [name: string]: string } } = {
  vnes: VNES_IMPORTS,
  wasi_snapshot_preview1: WASI_IMPORTS,
};

/** A module without a memory of its own is given one under this name. */
export const IMPORTED_MEMORY = { module: "env", name: "memory" } as const;
/** Runs a turn; the argument is the length of the delivery, which waits for `take`. */
export const DELIVER = { name: "deliver", type: "i:" } as const;
/** Called once in each instance before anything else, where it is there. */
export const INITIALIZE = { name: "_initialize", type: ":" } as const;
