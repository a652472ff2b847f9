/** One capsule that means harm, and the ways its turn may end. */
import type { CapsuleImage } from "@vnes/kernel";
import type { CapsuleLanguage, Json } from "@vnes/schemas";
import type { Outside } from "./outside.ts";

/** The death of its sandbox host, which the kernel survives by design. */
export const HOST = "SANDBOX_HOST_DIED";

export interface Attack {
  /** A sentence after "a capsule that". */
  readonly name: string;
  readonly language: CapsuleLanguage;
  /** `done`, or a code. */
  readonly ends: readonly string[];
  /** It spoils what runs it, and has to live with it: what its next turns end in is open. */
  readonly spoils: boolean;
  /** Its turn ends well, and what it says behind it ends its host. */
  readonly endsItsHost?: boolean;
  /** It acts on the machine and not on its sandbox alone: not tried without a wall. */
  readonly needsWall?: boolean;
  /** What it is told about: the things outside that it must not get at. */
  program(outside: Outside): Promise<{ readonly image: CapsuleImage; readonly entry: string }>;
  /** Of a turn that ended well: what is wrong with its answer. Undefined: it got nothing. */
  gotHold?(answer: Json): string | undefined;
}
