/** What the nodes of one system share: the table of who owns which shards, and a network that fails by seed. */
import { memoryMessenger, MessengerHub } from "@vnes/driver-memory";
import { type Clock, type ClusterConfig, type Messenger, type OwnerTable, ownerTable } from "@vnes/kernel";
import type { World } from "./world.ts";

const GROUPS = 16;
/** Between two changes of the network, at most. */
const CHANGE_MS = 600;
const LATENCY_MS = 1;

export interface ClusterParts {
  readonly table: OwnerTable;
  /** A new connection for each life. */
  connect(clock: Clock, seed: number): Messenger;
}

export class SharedLedger {
  readonly #world: World;
  readonly #names: readonly string[];
  readonly #hub: MessengerHub;
  readonly #config: ClusterConfig;
  /** When the last message sent so far arrives: the port promises that none overtakes another, and none comes twice. */
  #lastAt = 0;
  #isCalm = false;

  constructor(world: World, names: readonly string[]) {
    this.#world = world;
    this.#names = names;
    const chance = (most: number): number => (world.oneIn(2) ? world.random.below(most) : 0);
    this.#hub = new MessengerHub({
      seed: world.random.below(2 ** 31),
      lossPercent: chance(15),
      maxDelayRounds: chance(30),
      later: (rounds, run) => {
        this.#lastAt = Math.max(this.#lastAt, world.at + LATENCY_MS + rounds);
        world.after(this.#lastAt - world.at, run);
      },
    });
    const owners: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
    for (let group = 0; group < GROUPS; group++) owners[world.pick(names)]?.push(group);
    this.#config = { groups: GROUPS, owners };
  }

  partsOf(name: string): ClusterParts {
    const made = ownerTable(this.#config, name);
    if (!made.ok) throw new Error(made.problem);
    return {
      table: made.table,
      connect: (clock, seed) => memoryMessenger(this.#hub, name, clock, seed),
    };
  }

  /** The network changes from time to time until it is calm. */
  start(): void {
    this.#world.after(this.#world.random.below(CHANGE_MS), () => {
      if (this.#isCalm) return;
      this.#change();
      this.start();
    });
  }

  calm(): void {
    this.#isCalm = true;
    this.#hub.calm();
  }

  #change(): void {
    const world = this.#world;
    const draw = world.random.below(10);
    const [from, to] = [world.pick(this.#names), world.pick(this.#names)];
    world.trace(`network ${draw} ${from} ${to}`);
    if (draw < 1) this.#hub.disconnect(from);
    else if (draw < 3 && from !== to) this.#hub.partition(from, to);
    else this.#hub.heal();
  }
}
