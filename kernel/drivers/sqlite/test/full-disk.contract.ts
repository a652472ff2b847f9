/** The contract on a file system that fills up: run by `ledger-store.test.ts` inside a mount namespace. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ledgerStoreContract } from "../../../contracts/ledger-store.ts";
import { openedIn } from "./opened.ts";

const root = process.env["VNES_FULL_DISK"] ?? "";

ledgerStoreContract({
  name: "sqlite on a full file system",
  open: () => openedIn(root),
  supports: {
    async diskFull() {
      const ballast = join(root, "ballast");
      await writeFile(ballast, new Uint8Array(1024 * 1024));
      return { ...(await openedIn(root)), makeSpace: () => rm(ballast) };
    },
  },
});
