/**
 * The filter every confined host runs under, as a BPF program. What is not named is allowed: namespaces, rights and mounts are the wall, and
 * this takes away the ways to look for holes in the kernel behind it.
 *
 * 1. Another architecture's calls end the process: their numbers mean something else.
 * 2. Calls newer than the table do not exist (ENOSYS), so libraries fall back to what they did before; `clone3` too, because a filter cannot
 *    see its flags.
 * 3. No new namespace, no new process: `clone` makes threads. No socket but a pair of unix sockets. Nothing is typed into a terminal.
 *    No lease on a file: a host may own the files it reads, and a lease makes everybody else's `open` of them wait.
 *    No signal to a group of processes: bubblewrap's half outside is in the host's, whatever namespace the host is in.
 * 4. Everything in `REFUSED_CALLS` is EPERM.
 */
import {
  ALLOW,
  answer,
  ARCHITECTURE_AT,
  argumentAt,
  type Instruction,
  KILL_PROCESS,
  load,
  NUMBER_AT,
  refusedWith,
  unless,
} from "./bpf.ts";
import {
  type Architecture,
  AUDIT_ARCHITECTURE,
  CALLS,
  FIRST_UNKNOWN_CALL,
  numberOf,
  REFUSED_CALLS,
} from "./syscalls.ts";

const EPERM = 1;
const ENOSYS = 38;
/** Numbers of the x32 calls have this bit on x86_64. */
const X32_BIT = 0x40000000;
const CLONE_THREAD = 0x00010000;
/** NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. `clone` cannot ask for NEWTIME. */
const CLONE_NEW = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
const AF_UNIX = 1;
/** Put bytes into a terminal's input, as if somebody had typed them. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** From here on a process id is negative. */
const NEGATIVE = 0x80000000;
/** The signal of a file that is ready: one that continues wakes a host that has been stopped. */
const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_NOTIFY = 1026;
/** Of newer kernels: a lease on a folder or a file, by another name. */
const F_SETDELEG = 1040;

export function hostFilter(architecture: Architecture): readonly Instruction[] {
  const refused = answer(refusedWith(EPERM));
  const allowed = answer(ALLOW);
  const numbers = Object.values(REFUSED_CALLS)
    .flatMap((calls) => Object.values(calls))
    .flatMap((numbers) => numberOf(numbers, architecture) ?? []);
  const on = (name: keyof typeof CALLS, block: readonly Instruction[]): readonly Instruction[] => [
    unless("equals", numberOf(CALLS[name], architecture) ?? 0, block.length),
    ...block,
  ];
  return [
    load(ARCHITECTURE_AT),
    { ...unless("equals", AUDIT_ARCHITECTURE[architecture], 0), jt: 1 },
    answer(KILL_PROCESS),
    load(NUMBER_AT),
    ...(architecture === "x86_64" ? [unless("atLeast", X32_BIT, 1), answer(KILL_PROCESS)] : []),
    unless("atLeast", FIRST_UNKNOWN_CALL, 1),
    answer(refusedWith(ENOSYS)),
    ...on("clone3", [answer(refusedWith(ENOSYS))]),
    ...on("clone", [
      load(argumentAt(0)),
      unless("anyBit", CLONE_NEW, 1),
      refused,
      unless("anyBit", CLONE_THREAD, 1),
      allowed,
      refused,
    ]),
    ...on("socketpair", [load(argumentAt(0)), unless("equals", AF_UNIX, 1), allowed, refused]),
    ...on("ioctl", [
      load(argumentAt(1)),
      unless("equals", TIOCSTI, 1),
      refused,
      unless("equals", TIOCLINUX, 1),
      refused,
      allowed,
    ]),
    ...on("fcntl", [
      load(argumentAt(1)),
      ...[F_SETSIG, F_SETLEASE, F_NOTIFY, F_SETDELEG].flatMap((command) => [
        unless("equals", command, 1),
        refused,
      ]),
      allowed,
    ]),
    ...on("kill", [
      load(argumentAt(0)),
      unless("equals", 0, 1),
      refused,
      unless("atLeast", NEGATIVE, 1),
      refused,
      allowed,
    ]),
    ...numbers.flatMap((number) => [unless("equals", number, 1), refused]),
    allowed,
  ];
}
