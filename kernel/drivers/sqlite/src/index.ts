export { type ClosedLedger, openClosedLedger } from "./closed-ledger.ts";
export { lockFile } from "./file-lock.ts";
export { lockHolder } from "./lock-holder.ts";
export { openSqliteLedgerStore, SqliteLedgerStore, type SqliteLedgerOptions } from "./ledger-store.ts";
