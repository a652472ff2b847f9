/** The script of an isolate that runs a WebAssembly module; `adapter-script.ts` bundles it, the host puts `given` there. */
import { type Given, type GuestCapsule, guestCapsule } from "./guest.ts";

const globals = globalThis as unknown as { given?: Given };
const given = globals.given as Given;
delete globals.given;

const capsule: GuestCapsule = guestCapsule(given);
export default capsule;
