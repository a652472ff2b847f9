/**
 * The messages of a group that are about the group and hold no records: who owns it, that the owner lives, that it let go,
 * from where on messages are still needed. Pure; JSON, version 1.
 */

export interface Claim {
  readonly kind: "claim";
  /** Names one opening of one store: 16 hexadecimal digits. */
  readonly boot: string;
  readonly node: string;
  /** Of the data directory: the same owner after a restart. */
  readonly instance: string;
  readonly leaseMs: number;
}

/** `number`: of the next message of this claim; it says that none before it is missing. */
export interface Beat {
  readonly kind: "beat" | "release";
  readonly boot: string;
  readonly number: number;
}

/** Batches before stream sequence `from` are not needed any more; it is itself one of the owner's batches. */
export interface Purge {
  readonly kind: "purge";
  readonly boot: string;
  readonly from: number;
}

export type ControlMessage = Claim | Beat | Purge;
export type MessageKind = ControlMessage["kind"] | "batch";

const VERSION = 1;

export function encodeControl(message: ControlMessage): Uint8Array {
  return Buffer.from(JSON.stringify({ v: VERSION, ...message }));
}

/** What is wrong with the bytes when they are no control message of that kind. */
export function decodeControl(kind: ControlMessage["kind"], data: Uint8Array): ControlMessage | string {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(Buffer.from(data).toString()) as typeof value;
  } catch {
    return "it is not JSON";
  }
  const { v, boot, node, instance, leaseMs, number, from } = value;
  if (v !== VERSION) return `its format is ${JSON.stringify(v)}, and ${VERSION} is known`;
  if (typeof boot !== "string") return "it names no boot";
  switch (kind) {
    case "claim":
      if (typeof node !== "string" || typeof instance !== "string" || typeof leaseMs !== "number")
        return "it does not say who claims";
      return { kind, boot, node, instance, leaseMs };
    case "beat":
    case "release":
      return typeof number === "number" ? { kind, boot, number } : "it has no number";
    case "purge":
      return typeof from === "number" ? { kind, boot, from } : "it says not from where";
  }
}
