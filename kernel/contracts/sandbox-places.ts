/** Where the sandbox of a language keeps the contract: in a process and nothing more, and behind the wall of the tightest zone. */
import { openWalls } from "@vnes/driver-confine";
import { type WallOf, wallsMissing } from "@vnes/driver-host";
import type { SandboxSpec } from "@vnes/kernel";
import { confinementFor } from "./confinement-for.ts";

export interface Place {
  /** Goes behind the name of a language. */
  readonly where: string;
  readonly wallOf: WallOf;
  confined(spec: SandboxSpec): SandboxSpec;
  /** Why nothing can be tried there. */
  readonly skip?: string | undefined;
}

const ZONE = "ephemeral";

const open: Place = { where: "", wallOf: wallsMissing, confined: (spec) => spec };

async function walled(): Promise<Place> {
  const { platform, wallOf } = await openWalls();
  const where = ` behind the wall of zone ${ZONE}`;
  const lack = platform.lacks.map(({ part, found }) => `${part}: ${found}`)[0];
  if (lack !== undefined) return { ...open, where, skip: lack };
  const confinement = confinementFor(ZONE, platform);
  return { where, wallOf, confined: (spec) => ({ ...spec, zone: ZONE, confinement }) };
}

export const PLACES: readonly [Place, Place] = [open, await walled()];
