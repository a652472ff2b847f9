/** What the VPN's capsules say of themselves, as far as the demonstration and tests of real nodes read it. */
import type { JsonObject } from "@vnes/schemas";

export interface Counters {
  readonly [name: string]: number;
}

/** `vpn.transport.status` */
export interface TransportStatus {
  readonly publicKey: string;
  readonly listeners: readonly { readonly pathId: string; readonly kind: string; readonly port: number }[];
  readonly channels: readonly {
    readonly pathId: string;
    readonly remote: string;
    readonly active: boolean;
  }[];
  readonly pipe: { readonly listen: { readonly port: number } | null };
  readonly counters: Counters;
}

/** An event of `vpn.client.v1`. */
export interface ClientEvent {
  readonly event: string;
  readonly epoch: number;
  readonly pathId: string | null;
  readonly fromPathId: string | null;
  readonly reason: string;
  readonly at: number;
  readonly evidence: JsonObject;
}

/** `vpn.client.status` */
export interface ClientStatus {
  readonly mode: string;
  readonly reason: string;
  readonly session: {
    readonly id: string;
    readonly state: string;
    readonly version: number;
    readonly epoch: number;
  } | null;
  readonly active: { readonly pathId: string; readonly channelId: string } | null;
  readonly recent: readonly ClientEvent[];
}
