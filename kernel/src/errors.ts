/** Every error the kernel itself can give. Those of a port's drivers stand beside the port. */
import { defineErrors, type ErrorTable } from "@vnes/schemas";
import { type CallCode, callEntries } from "./errors/call-entries.ts";
import { type CapsuleCode, capsuleEntries } from "./errors/capsule-entries.ts";
import { type NodeCode, nodeEntries } from "./errors/node-entries.ts";
import { type TurnCode, turnEntries } from "./errors/turn-entries.ts";

export const kernelErrors: ErrorTable<TurnCode | CapsuleCode | CallCode | NodeCode> = defineErrors({
  ...turnEntries,
  ...capsuleEntries,
  ...callEntries,
  ...nodeEntries,
});
