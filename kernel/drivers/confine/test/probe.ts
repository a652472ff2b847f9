/** A real host behind a real wall, asked to do things. */
import { type HostDeath, type HostProcess, nodeProgram, spawnHost } from "@vnes/driver-host";
import { type Confinement, confinementOf } from "@vnes/kernel";
import type { Manifest, Policy, TrustZone, ZoneConfinement } from "@vnes/schemas";
import { openWalls, type OpenWallsOptions, type Walls } from "../src/index.ts";

export const walls: Walls = await openWalls();

export interface Probe {
  readonly host: HostProcess;
  readonly confinement: Confinement;
  readonly death: Promise<HostDeath>;
  /** What the code returned; throws what it threw, by code. */
  run(code: string): Promise<unknown>;
  /** The code of what it threw. */
  refusal(code: string): Promise<string>;
}

export function confinementFor(zone: TrustZone, limits: ZoneConfinement = {}): Confinement {
  const policy: Policy = {
    schema_version: "v1",
    required: [],
    admission: [],
    powers: [],
    hosts: [],
    providers: {},
    limits: {},
    confinement: { [zone]: zone === "system" ? { wall: "namespaces", ...limits } : limits },
  };
  const manifest: Manifest = {
    id: "test.probe",
    version: "1.0.0",
    type: "logic",
    description: "for a test",
    capabilities: { provides: [] },
    governance: { tier: "local", audit_level: "none" },
  };
  const decision = confinementOf({ manifest, zone, policy, platform: walls.platform, unconfinedDev: false });
  if (decision.kind === "refused") throw new Error(JSON.stringify(decision.lacks));
  return decision.confinement;
}

export async function startProbe(
  zone: TrustZone,
  limits: ZoneConfinement = {},
  options?: OpenWallsOptions,
): Promise<Probe> {
  const { wallOf } = options === undefined ? walls : await openWalls(options);
  const confinement = confinementFor(zone, limits);
  const died = Promise.withResolvers<HostDeath>();
  const waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  const host = await spawnHost({
    name: `probe:${zone}`,
    program: nodeProgram(new URL("./fixtures/probe-host.ts", import.meta.url), {
      packages: ["@vnes/driver-host"],
    }),
    wall: wallOf(confinement),
    maxMessageBytes: confinement.messageMb * 1024 * 1024,
    onMessage: (message) => {
      const { value, error } = message as { readonly value?: unknown; readonly error?: string };
      const next = waiting.shift();
      if (error === undefined) next?.resolve(value);
      else next?.reject(new Error(error));
    },
    onDeath: (death) => {
      died.resolve(death);
      for (const { reject } of waiting) reject(new Error(`DIED ${death.reason}`));
    },
  });
  const run = (code: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      host.send({ code });
    });
  const refusal = async (code: string): Promise<string> => {
    try {
      return `worked: ${JSON.stringify(await run(code))}`.slice(0, 200);
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { host, confinement, death: died.promise, run, refusal };
}
