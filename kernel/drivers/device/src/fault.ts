/**
 * A failure inside a device host, on its way to the kernel's side, where it gets its words from the error table. The host itself
 * does not load the table or what it stands on: a driver's start is part of every boot.
 */
import type { ErrorDetails } from "@vnes/schemas";
import type { DeviceCode } from "./errors.ts";

export class DeviceFault extends Error {
  readonly code: DeviceCode;
  readonly details: ErrorDetails;

  constructor(code: DeviceCode, details: ErrorDetails) {
    super(`${code} ${JSON.stringify(details)}`);
    this.name = "DeviceFault";
    this.code = code;
    this.details = details;
  }
}
