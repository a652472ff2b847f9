/** The policy a node starts with when nobody wrote one. */
import { DETERMINISM_TIERS, type Policy } from "@vnes/schemas";

/**
 * The four core capsules are verified before anything else, and without them a node does not boot. Only `vnes.*` may be
 * core, platform or in the system zone; everything else stays in the weaker zones. Without a matching rule a capsule is
 * refused, and without a line in `powers` it has none.
 */
export function defaultPolicy(): Policy {
  return {
    schema_version: "v1",
    required: ["geometry", "consensus", "routing", "observability"].map((name) => `vnes.core.${name}`),
    admission: [
      { match: "vnes.*", tiers: ["core", "platform"], determinism: DETERMINISM_TIERS, zones: ["system"] },
      {
        match: "*",
        tiers: ["extension", "experimental", "local"],
        determinism: DETERMINISM_TIERS,
        zones: ["tenant", "session", "ephemeral"],
      },
    ],
    powers: ["net.udp", "net.tcp", "crypto.channel", "identity"].map((power) => ({
      power,
      to: ["vnes.vpn.transport"],
    })),
    hosts: [{ match: "vnes.vpn.*", group: "vpn" }],
    // Down the ladder of trust only: who is trusted more never depends on who is trusted less.
    providers: { tenant: ["system"], session: ["system", "tenant"], ephemeral: ["system", "tenant"] },
    // The VPN's own parts are for each other; an operator who wants more eyes on sessions adds them here.
    access: [
      { name: "vpn.*", to: ["vnes.*"] },
      // A voter is who the publisher says it is: a node starts with people at the control socket, and nobody else.
      { name: "consensus.vote.v1", use: ["publish"], to: [] },
    ],
    // A turn is a step of a state machine: milliseconds. The rest is room for a loaded machine.
    limits: {
      system: { memory_mb: 128, turn_ms: 1000 },
      tenant: { memory_mb: 64, turn_ms: 500 },
      session: { memory_mb: 32, turn_ms: 250 },
      ephemeral: { memory_mb: 32, turn_ms: 250 },
    },
    // Far above what a capsule that works needs, far below what one that runs wild would take from the others.
    budgets: {
      tenant: {
        turns_per_s: 5_000,
        messages_per_s: 20_000,
        kb_per_s: 16_384,
        cpu_ms_per_s: 500,
        resume_after_ms: 60_000,
      },
      session: {
        turns_per_s: 2_000,
        messages_per_s: 8_000,
        kb_per_s: 4_096,
        cpu_ms_per_s: 250,
        resume_after_ms: 60_000,
      },
      ephemeral: {
        turns_per_s: 1_000,
        messages_per_s: 4_000,
        kb_per_s: 4_096,
        cpu_ms_per_s: 250,
        resume_after_ms: 60_000,
      },
    },
  };
}
