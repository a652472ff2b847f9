import { after } from "node:test";
import { ledgerStoreContract } from "../../../contracts/ledger-store.ts";
import { startNatsServers } from "./nats-servers.ts";
import { openedAlmostFull, openedOn } from "./opened.ts";

const servers = await startNatsServers();
after(async () => await servers[Symbol.asyncDispose]());

ledgerStoreContract({
  name: `nats ${servers.version}`,
  open: async () => await openedOn(servers),
  supports: { diskFull: openedAlmostFull },
});
