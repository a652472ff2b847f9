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
export type { Claim } from "./control-message.ts";
export { examineServer, type JetStreamPromise } from "./examine.ts";
export { LEASE_MS, MARGIN_MS } from "./lease.ts";
export { NatsLedgerStore, type NatsLedgerOptions, openNatsLedgerStore } from "./ledger-store.ts";
