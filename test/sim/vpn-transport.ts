/**
 * The transport of the VPN run: the lossy network of the capsules' own lab behind the device port. A driver that starts
 * again is another place on the network; its channels are gone, and it says so.
 */
import type { DriverTable } from "@vnes/driver-memory";
import type { DeviceSpec } from "@vnes/kernel";
import type { Answer, JsonObject } from "@vnes/schemas";
import { type Network, type Place, type Weather } from "../../capsules/vpn/test/network.ts";
import type { Life } from "./sim-node.ts";
import type { World } from "./world.ts";

export const TRANSPORT = "vnes.vpn.transport";
const TOPIC = "vpn.channel.v1";

export class SimWeather implements Weather {
  readonly faults: {
    frameLost: number;
    frameTwice: number;
    frameLate: number;
    eventLost: number;
    eventTwice: number;
    answerLost: number;
    deafNode: null;
  };
  readonly #world: World;
  #ids = 0;

  constructor(world: World) {
    this.#world = world;
    const chance = (most: number): number => (world.oneIn(2) ? this.random() * most : 0);
    this.faults = {
      frameLost: chance(0.2),
      frameTwice: chance(0.15),
      frameLate: chance(0.15),
      eventLost: chance(0.05),
      eventTwice: chance(0.05),
      answerLost: chance(0.05),
      deafNode: null,
    };
  }

  clear(): void {
    const { faults } = this;
    for (const name of Object.keys(faults) as (keyof typeof faults)[])
      if (name !== "deafNode") faults[name] = 0;
  }

  after(ms: number, run: () => void): void {
    this.#world.after(ms, run);
  }

  chance(share: number): boolean {
    return share > 0 && this.random() < share;
  }

  random(): number {
    return this.#world.random.below(2 ** 30) / 2 ** 30;
  }

  hex(digits: number): string {
    let text = (this.#ids++).toString(16).padStart(6, "0");
    while (text.length < digits) text += this.#world.random.below(16).toString(16);
    return text.slice(0, digits);
  }
}

export interface TransportParts {
  readonly world: World;
  readonly weather: SimWeather;
  readonly network: Network;
  readonly name: string;
  readonly publicKey: string;
  readonly isGateway: boolean;
  /** Told of every call when it reaches the driver. */
  onCall(callId: string, life: Life): void;
}

export function transportOf(parts: TransportParts, life: Life): DriverTable {
  return { [TRANSPORT]: (spec) => start(parts, life, spec) };
}

function start(parts: TransportParts, life: Life, spec: DeviceSpec): ReturnType<DriverTable[string]> {
  const { world, weather, network, name } = parts;
  let isUp = true;
  const place: Place = {
    name,
    // A driver that starts again is another place.
    boots: 1,
    get up() {
      return isUp && !life.isOver;
    },
    report: (event) => {
      if (!place.up || weather.chance(weather.faults.eventLost)) return;
      const times = weather.chance(weather.faults.eventTwice) ? 2 : 1;
      for (let time = 0; time < times; time++) {
        weather.after(0, () => {
          if (!place.up) return;
          world.trace(`${name} reports ${JSON.stringify(event)}`);
          spec.onPublish(TOPIC, event["peer"] as string, event);
        });
      }
    },
  };
  if (parts.isGateway) network.gateway = place;
  const driver = network.driver(place);
  place.report({ event: "started", peer: parts.publicKey });
  return {
    call: ({ callId, method, input }) =>
      new Promise<Answer>((resolve) => {
        if (!place.up) return;
        parts.onCall(callId, life);
        world.trace(`${name} does ${method} ${JSON.stringify(input)}`);
        driver.call(method, input as JsonObject, (answer) => {
          if (!weather.chance(weather.faults.answerLost)) resolve(answer);
        });
      }),
    stop: () => {
      isUp = false;
      driver.stop();
    },
  };
}
