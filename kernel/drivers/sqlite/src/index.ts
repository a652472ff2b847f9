export { type ClosedLedger, openClosedLedger } from "./closed-ledger.ts";
export { lockFile } from "./file-lock.ts";
export { openSqliteLedgerStore, SqliteLedgerStore, type SqliteLedgerOptions } from "./ledger-store.ts";
