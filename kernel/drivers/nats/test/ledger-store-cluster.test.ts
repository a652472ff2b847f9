import { after } from "node:test";
import { ledgerStoreContract } from "../../../contracts/ledger-store.ts";
import { startNatsServers } from "./nats-servers.ts";
import { openedOn } from "./opened.ts";

const servers = await startNatsServers({ count: 3 });
after(async () => await servers[Symbol.asyncDispose]());

ledgerStoreContract({
  name: `nats ${servers.version}, three servers, three copies`,
  open: async () => await openedOn(servers, ["g0"]),
  supports: {},
});
