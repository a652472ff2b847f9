/**
 * Classic BPF as seccomp runs it (linux/filter.h, linux/seccomp.h): instructions of eight bytes over `struct seccomp_data`, which holds
 * the number of the call, the architecture and six arguments of 64 bits. Loads are of 32 bits.
 */

export interface Instruction {
  readonly code: number;
  /** Instructions to skip when a comparison holds, and when it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const OP = {
  /** BPF_LD | BPF_W | BPF_ABS */
  load: 0x20,
  /** BPF_JMP | BPF_JEQ | BPF_K */
  equals: 0x15,
  /** BPF_JMP | BPF_JGE | BPF_K */
  atLeast: 0x35,
  /** BPF_JMP | BPF_JSET | BPF_K */
  anyBit: 0x45,
  /** BPF_RET | BPF_K */
  answer: 0x06,
} as const;

/** Offsets in `struct seccomp_data`. */
export const NUMBER_AT = 0;
export const ARCHITECTURE_AT = 4;
/** Of the lower half of an argument; both architectures here are little-endian. */
export const argumentAt = (index: number): number => 16 + 8 * index;

export const ALLOW = 0x7fff0000;
export const KILL_PROCESS = 0x80000000;
export const refusedWith = (errno: number): number => 0x00050000 | errno;

export const load = (offset: number): Instruction => ({ code: OP.load, jt: 0, jf: 0, k: offset });
export const answer = (value: number): Instruction => ({ code: OP.answer, jt: 0, jf: 0, k: value });
/** Skips `skip` instructions unless it holds. */
export const unless = (op: "equals" | "atLeast" | "anyBit", k: number, skip: number): Instruction => ({
  code: OP[op],
  jt: 0,
  jf: skip,
  k,
});

/** `struct sock_filter[]`, as bubblewrap reads it. */
export function assembled(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jt, index * 8 + 2);
    bytes.writeUInt8(jf, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}
