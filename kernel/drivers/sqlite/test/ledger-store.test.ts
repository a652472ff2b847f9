import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSqliteLedgerStore, type SqliteLedgerStore } from "@vnes/driver-sqlite";
import { ledgerStoreContract } from "../../../contracts/ledger-store.ts";

async function open(maxPages?: number) {
  const directory = await mkdtemp(join(tmpdir(), "vnes-ledger-"));
  const path = join(directory, "ledger.db");
  let store: SqliteLedgerStore = await openSqliteLedgerStore(maxPages === undefined ? { path } : { path, maxPages });
  return {
    store,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = await openSqliteLedgerStore({ path });
      return store;
    },
    async cleanup() {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

ledgerStoreContract({
  name: "sqlite",
  open: () => open(),
  supports: {},
});
void DatabaseSync;
