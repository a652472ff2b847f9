/** Error numbers of WASI preview 1, as far as they are answered here. */
export const ERRNO = {
  success: 0,
  badf: 8,
  exist: 20,
  fault: 21,
  inval: 28,
  isdir: 31,
  mfile: 33,
  nametoolong: 37,
  noent: 44,
  nospc: 51,
  notdir: 54,
  notempty: 55,
  notsock: 57,
  notsup: 58,
  rofs: 69,
  spipe: 70,
  notcapable: 76,
} as const;

/** Ends a WASI function with a number for the module; the turn goes on. */
export class WasiError extends Error {
  readonly errno: number;

  constructor(name: keyof typeof ERRNO) {
    super(name);
    this.errno = ERRNO[name];
  }
}
