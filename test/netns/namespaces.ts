/**
 * Network namespaces of a test's own, joined by pairs of virtual interfaces: real interfaces, routes and addresses that may be
 * taken away from a process that uses them. Nothing of the machine's own network is touched.
 */
import { spawnSync } from "node:child_process";

/** Interface names take 15 characters; this and a name of ours are below it. */
const PREFIX = `vn${process.pid.toString(36)}`;

export interface Namespaces extends Disposable {
  /** What runs a command inside, before the command itself. */
  under(space: string): readonly string[];
  /** What a command inside of one prints; throws with what it said. */
  run(space: string, command: readonly string[]): string;
  /** `ip` inside of one; throws with what it said. */
  ip(space: string, command: string): void;
  /** A setting of the network inside of one, such as `net.ipv4.ip_forward`. */
  set(space: string, name: string, value: string): void;
  /** Two ends of one cable, `10.77.<subnet>.1` in the first space and `.2` in the second; both interfaces are called `name`. */
  cable(name: string, first: string, second: string, subnet: number): void;
}

/** Why there can be none here; null: there can. */
export function namespacesMissing(): string | null {
  const name = `${PREFIX}probe`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (made.error) return "needs the command ip (Debian: iproute2)";
  if (made.status !== 0) return `needs the right to make network namespaces: ${made.stderr.trim()}`;
  spawnSync("ip", ["netns", "del", name]);
  return null;
}

export function openNamespaces(spaces: readonly string[]): Namespaces {
  const nameOf = (space: string): string => `${PREFIX}${space}`;
  const run = (args: readonly string[]): string => {
    const [command = "", ...rest] = args;
    const { status, stdout, stderr } = spawnSync(command, rest, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr.trim()}`);
    return stdout;
  };
  const under = (space: string): readonly string[] => ["nsenter", `--net=/run/netns/${nameOf(space)}`];
  const ip = (space: string, command: string): void => {
    run(["ip", "-n", nameOf(space), ...command.split(" ")]);
  };
  const remove = (): void => {
    for (const space of spaces) spawnSync("ip", ["netns", "del", nameOf(space)]);
  };
  try {
    for (const space of spaces) {
      run(["ip", "netns", "add", nameOf(space)]);
      ip(space, "link set lo up");
    }
  } catch (cause) {
    remove();
    throw cause;
  }
  return {
    ...{ under, ip },
    run: (space, command) => run([...under(space), ...command]),
    set(space, name, value) {
      run([...under(space), "sh", "-c", `echo ${value} > /proc/sys/${name.replaceAll(".", "/")}`]);
    },
    cable(name, first, second, subnet) {
      ip(first, `link add ${name} type veth peer name ${name} netns ${nameOf(second)}`);
      for (const [index, space] of [first, second].entries()) {
        ip(space, `addr add 10.77.${subnet}.${index + 1}/24 dev ${name}`);
        ip(space, `link set ${name} up`);
      }
    },
    [Symbol.dispose]: remove,
  };
}
