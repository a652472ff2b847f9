export { type ClosedLedger, openClosedLedger } from "./closed-ledger.ts";
export { openSqliteLedgerStore, SqliteLedgerStore, type SqliteLedgerOptions } from "./ledger-store.ts";
