export { busErrors } from "./bus-errors.ts";
export {
  type Bus,
  type BusOptions,
  isVersionAtLeast,
  OLDEST_SERVER,
  openBus,
  parseAddress,
} from "./connection.ts";
export { type NatsMessengerOptions, natsMessenger } from "./messenger.ts";
