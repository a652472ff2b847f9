/** Run by the tests of the registry: verifies capsules, says `ready`, and installs them when a line comes in. */
import { once } from "node:events";
import { LocalRegistry, openAuthority, verifyCapsule } from "@vnes/registry";

const [config = "", dir = "", ...capsules] = process.argv.slice(2);
const authority = await openAuthority(config);
const registry = new LocalRegistry(dir);
const options = { trust: authority.trust(), policy: authority.policy };
const verified = await Promise.all(capsules.map((capsule) => verifyCapsule(capsule, options)));
process.stdout.write("ready\n");
await once(process.stdin, "data");
for (const one of verified) await registry.install(one);
process.exit(0);
