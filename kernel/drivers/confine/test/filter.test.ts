/** The filter of system calls, interpreted as the kernel does it, against a plain list of what is refused. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { ALLOW, assembled, KILL_PROCESS, OP } from "../src/seccomp/bpf.ts";
import { hostFilter } from "../src/seccomp/filter.ts";
import {
  type Architecture,
  AUDIT_ARCHITECTURE,
  CALLS,
  FIRST_UNKNOWN_CALL,
  numberOf,
  REFUSED_CALLS,
} from "../src/seccomp/syscalls.ts";

const ARCHITECTURES: readonly Architecture[] = ["x86_64", "aarch64"];
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const REFUSED = Object.entries(
  Object.assign({}, ...Object.values(REFUSED_CALLS)) as (typeof REFUSED_CALLS)[string],
);

interface Call {
  readonly arch?: number;
  readonly nr: number;
  readonly args?: readonly bigint[];
}

/** What the kernel would answer: `seccomp_data` in, the program's own bytes run. */
function answered(
  architecture: Architecture,
  { arch = AUDIT_ARCHITECTURE[architecture], nr, args = [] }: Call,
): number {
  const program = assembled(hostFilter(architecture));
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr >>> 0, 0);
  data.writeUInt32LE(arch >>> 0, 4);
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(value, 16 + 8 * index);
  let accumulator = 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const code = program.readUInt16LE(at * 8);
    const k = program.readUInt32LE(at * 8 + 4);
    const skip = (holds: boolean): void => {
      at += program.readUInt8(at * 8 + (holds ? 2 : 3));
    };
    if (code === OP.load) accumulator = data.readUInt32LE(k);
    else if (code === OP.equals) skip(accumulator === k);
    else if (code === OP.atLeast) skip(accumulator >= k);
    else if (code === OP.anyBit) skip((accumulator & k) !== 0);
    else if (code === OP.answer) return k;
    else assert.fail(`instruction ${at} has code ${code}`);
  }
  return assert.fail("the program ran off its end");
}

for (const architecture of ARCHITECTURES) {
  const call = (name: keyof typeof CALLS, args: readonly bigint[] = []): number =>
    answered(architecture, { nr: numberOf(CALLS[name], architecture) as number, args });

  test(`${architecture}: every call is refused or allowed exactly as the list says (W6)`, () => {
    const refused = new Set(REFUSED.map(([, numbers]) => numberOf(numbers, architecture)));
    const looked = new Set(Object.values(CALLS).map((numbers) => numberOf(numbers, architecture)));
    for (let nr = 0; nr < FIRST_UNKNOWN_CALL; nr++) {
      if (looked.has(nr)) continue;
      assert.equal(answered(architecture, { nr }), refused.has(nr) ? EPERM : ALLOW, `call ${nr}`);
    }
    for (const nr of [FIRST_UNKNOWN_CALL, 1000, 0x3fffffff])
      assert.equal(answered(architecture, { nr }), ENOSYS, `call ${nr}`);
  });

  test(`${architecture}: calls of another architecture end the process (W6)`, () => {
    for (const arch of [0, 0x40000003, ...Object.values(AUDIT_ARCHITECTURE)])
      if (arch !== AUDIT_ARCHITECTURE[architecture])
        assert.equal(answered(architecture, { arch, nr: 1 }), KILL_PROCESS);
    const x32 = 0x40000000;
    const expected = architecture === "x86_64" ? KILL_PROCESS : ENOSYS;
    for (const nr of [x32, x32 + 1, x32 + 520, 0xffffffff])
      assert.equal(answered(architecture, { nr }), expected);
  });

  test(`${architecture}: clone makes threads, and no process and no namespace (W6)`, () => {
    const thread = 0x3d0f00n;
    assert.equal(call("clone", [thread]), ALLOW);
    // As `fork` and `posix_spawn` of glibc do it.
    for (const flags of [0x1200011n, 0x4111n, 17n]) assert.equal(call("clone", [flags]), EPERM);
    for (const bit of [17, 25, 26, 27, 28, 29, 30]) {
      assert.equal(call("clone", [thread | (1n << BigInt(bit))]), EPERM, `bit ${bit}`);
    }
    assert.equal(call("clone3"), ENOSYS);
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffffffffn }), (flags) => {
        const isThread = (flags & 0x10000n) !== 0n && (flags & 0x7e020000n) === 0n;
        assert.equal(call("clone", [flags]), isThread ? ALLOW : EPERM);
      }),
    );
  });

  test(`${architecture}: sockets come in pairs of the unix family only, and nothing types into a terminal (W6)`, () => {
    assert.equal(call("socketpair", [1n]), ALLOW);
    for (const family of [0n, 2n, 10n, 16n, 40n]) assert.equal(call("socketpair", [family]), EPERM);
    for (const request of [0x5412n, 0x541cn]) assert.equal(call("ioctl", [0n, request]), EPERM);
    // TIOCGWINSZ, FIONBIO.
    for (const request of [0x5413n, 0x5421n]) assert.equal(call("ioctl", [0n, request]), ALLOW);
  });

  test(`${architecture}: no lease on a file, and no sync of the machine's disks (W6)`, () => {
    // F_SETSIG, F_SETLEASE, F_NOTIFY, F_SETDELEG; the upper half of the argument is not the kernel's to look at.
    for (const command of [10n, 1024n, 1026n, 1040n, 0x1_0000_0400n])
      assert.equal(call("fcntl", [0n, command]), EPERM, `command ${command}`);
    // F_DUPFD, F_SETFL, F_SETLK, F_DUPFD_CLOEXEC, F_SETPIPE_SZ.
    for (const command of [0n, 4n, 6n, 1030n, 1031n])
      assert.equal(call("fcntl", [0n, command]), ALLOW, `command ${command}`);
    for (const name of ["sync", "syncfs"]) assert.ok(REFUSED.some(([known]) => known === name));
  });

  test(`${architecture}: a signal goes to one process, never to a group (W6)`, () => {
    for (const pid of [1n, 2n, 0x7fffffffn]) assert.equal(call("kill", [pid, 9n]), ALLOW);
    // The upper half of the argument is not the kernel's to look at.
    for (const pid of [0n, 0xffffffffn, 0xffffffffffffffffn, 0x80000000n, 0x1_0000_0000n])
      assert.equal(call("kill", [pid, 9n]), EPERM, `${pid}`);
  });

  const header = {
    x86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    aarch64: "/usr/include/asm-generic/unistd.h",
  }[architecture];
  const skip = existsSync(header) ? {} : { skip: `${header} is not there` };
  test(`${architecture}: the numbers are those of the system's headers`, skip, () => {
    const numbers = new Map<string, number>();
    for (const [, name, number] of readFileSync(header, "utf8").matchAll(
      /#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm,
    ))
      if (!numbers.has(name as string)) numbers.set(name as string, Number(number));
    for (const [name, ours] of [...REFUSED, ...Object.entries(CALLS)]) {
      const number = numberOf(ours, architecture);
      // A header may be older than a call.
      if (number !== null && numbers.has(name)) assert.equal(number, numbers.get(name), name);
      if (number === null) assert.equal(numbers.get(name), undefined, name);
    }
  });
}

test("what must be refused is in the list", () => {
  const names = new Set(REFUSED.map(([name]) => name));
  for (const name of [
    ..."ptrace process_vm_readv process_vm_writev mount umount2 unshare setns pivot_root keyctl add_key".split(
      " ",
    ),
    ..."request_key bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register".split(
      " ",
    ),
    ..."kexec_load kexec_file_load init_module finit_module delete_module reboot swapon socket".split(" "),
    ..."open_by_handle_at personality fork vfork memfd_create".split(" "),
    ..."io_setup inotify_init inotify_init1 ioprio_set sync syncfs".split(" "),
  ])
    assert.ok(names.has(name), name);
});
