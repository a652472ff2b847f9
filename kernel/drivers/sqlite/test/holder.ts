/** Opens the ledger named, appends one record, says so, and holds it until it is killed. */
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";

const store = await openSqliteLedgerStore({ path: process.argv[2] ?? "" });
await store.append("a/0", 0, [{ bytes: new Uint8Array([1]), hash: new Uint8Array(32) }]);
console.log("held");
setInterval(() => undefined, 1_000);
