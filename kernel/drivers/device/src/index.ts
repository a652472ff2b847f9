export { type DeviceOptions, openDevice } from "./device.ts";
export { type DeviceCode, deviceErrors } from "./errors.ts";
