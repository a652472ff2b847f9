/** The memory sandbox under the contract every sandbox keeps. */
import { sandboxContract } from "../../../contracts/sandbox.ts";
import { openModel } from "../../../contracts/sandbox-transcript.ts";

sandboxContract({
  name: "memory",
  boundsNothing: "it runs capsules in this process, confines nothing and stops no loop",
  open: async () => openModel(),
});
