/** A store in a directory of its own, as the contract wants it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteLedgerStore, type SqliteLedgerStore } from "@vnes/driver-sqlite";
import type { OpenedLedgerStore } from "../../../contracts/ledger-store.ts";

export async function openedIn(
  root: string = tmpdir(),
): Promise<OpenedLedgerStore & { readonly path: string }> {
  const directory = await mkdtemp(join(root, "vnes-ledger-"));
  const path = join(directory, "ledger.db");
  let store: SqliteLedgerStore = await openSqliteLedgerStore({ path });
  return {
    path,
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
