/** What clients of the bus run do: registers, chains of calls, timers, and the ids of the crash run. */
import type { JsonObject } from "@vnes/schemas";
import type { CountingKeys } from "../history/counting.ts";
import type { Operation } from "../history/operation.ts";
import type { KeyRead } from "../history/reads.ts";
import type { Reading } from "../history/register.ts";
import type { DistinctTopics } from "../history/unkept.ts";
import type { Request } from "./clients.ts";
import type { World } from "./world.ts";

export const KEYS = ["a", "b", "c"];
const ALARMS = ["x", "y", "z"];

export function nextRequest(world: World, number: number): Request {
  const { random } = world;
  const key = world.pick(KEYS);
  const id = `o${number}`;
  const value = random.below(40);
  const timeoutMs = world.pick([200, 1_000, 5_000]);
  const ask = (capability: string, method: string, input: JsonObject): Request => {
    return { capability, method, input, timeoutMs };
  };
  switch (random.below(15)) {
    case 0:
    case 1:
    case 2:
      return ask("sim.register", "get", { key });
    case 3:
    case 4:
      return ask("sim.register", "set", { key, id, value });
    case 5:
    case 6:
      return ask("sim.register", "add", { key, id, by: 1 + random.below(3) });
    case 7:
      return ask("sim.register", "cas", { key, id, expected: world.oneIn(3) ? null : value % 8, value });
    case 8:
      return ask("sim.chain", "run", { key, id });
    case 9:
    case 10:
      return world.oneIn(3)
        ? ask("sim.alarm", "cancel", { id: world.pick(ALARMS) })
        : ask("sim.alarm", "arm", {
            id: world.pick(ALARMS),
            afterMs: random.below(world.pick([20, 200, 900])),
            again: random.below(3),
          });
    case 11:
      return ask("sim.lease", "take", {
        name: world.pick(ALARMS),
        id: `${number % 2}-${id}`,
        ttlMs: 1 + random.below(800),
      });
    case 12:
      return ask("sim.lease", "drop", { name: world.pick(ALARMS), id });
    default:
      return ask("crash.intake", "add", { id: `r1-${number}` });
  }
}

type Asked = { readonly key: string };

/** What the calls above do to a register. */
export const READINGS: ReadonlyMap<string, Reading> = new Map([
  ...(["get", "set", "add", "cas"] as const).map((name): [string, Reading] => [
    `sim.register.${name}`,
    { direct: true, read: (input) => ({ ...(input as Asked), do: name }) },
  ]),
  ["sim.chain.run", { direct: false, read: (input) => ({ ...(input as Asked), do: "add", by: 1 }) }],
]);

/** Keys in which the capsules of the run count. */
export const COUNTING: CountingKeys = new Map([
  ["crash.intake", ["own/", "noted/"]],
  ["crash.tally", ["topic/", "call/"]],
  ["sim.chain", ["ended/"]],
  ["sim.link", ["ended/"]],
  ["sim.alarm", ["rang/"]],
  ["sim.watch", ["rang/", "flashed/"]],
  ["sim.picky", ["took/", "asked/"]],
  ["sim.digest", ["batches/", "looked/"]],
]);

/** The register writes in every turn in which it publishes, and every event carries the id of the request behind it. */
export const DISTINCT: DistinctTopics = new Set(["sim.flash.v1"]);

/** Calls that leave a record whenever they happen, and whose input is sent once. */
export function isRecorded({ name, input }: { readonly name: string; readonly input: unknown }): boolean {
  return (
    name !== "sim.register.cas" &&
    typeof (input as { id?: unknown }).id === "string" &&
    !/^sim\.(alarm|lease)\./.test(name)
  );
}

export function registerRead({ name, input, end }: Operation): KeyRead | undefined {
  if (name !== "sim.register.get" || end?.answer.ok !== true) return undefined;
  const { value } = end.answer.value as { readonly value: unknown };
  return { capsule: "sim.register", key: `reg/${(input as Asked).key}`, value };
}
