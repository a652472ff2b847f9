export { openSqliteLedgerStore, SqliteLedgerStore, type SqliteLedgerOptions } from "./ledger-store.ts";
