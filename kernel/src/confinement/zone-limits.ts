/** What a host of each zone may use where the policy says nothing; the names and units are those of `confinement` in the policy. */
import type { TrustZone, ZoneConfinement } from "@vnes/schemas";

export type ZoneLimits = Required<Omit<ZoneConfinement, "wall">>;

/** A host of Node with one instance takes about 64 MiB; a message may hold a batch of the largest turns. */
export const ZONE_LIMITS: { readonly [zone in TrustZone]: ZoneLimits } = {
  system: {
    memory_mb: 1024,
    pids: 512,
    cpu_percent: 400,
    nice: 0,
    open_files: 1024,
    scratch_mb: 0,
    message_mb: 8,
  },
  tenant: {
    memory_mb: 512,
    pids: 256,
    cpu_percent: 200,
    nice: 5,
    open_files: 256,
    scratch_mb: 0,
    message_mb: 8,
  },
  session: {
    memory_mb: 256,
    pids: 128,
    cpu_percent: 150,
    nice: 8,
    open_files: 128,
    scratch_mb: 0,
    message_mb: 8,
  },
  ephemeral: {
    memory_mb: 192,
    pids: 96,
    cpu_percent: 100,
    nice: 10,
    open_files: 64,
    scratch_mb: 0,
    message_mb: 8,
  },
};
