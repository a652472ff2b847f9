/** What an adapter is made of that runs the turns of a capsule written in another language. Capsules import none of it. */
export type { Answer, Delivery, Json } from "@vnes/schemas";
export { later, refuse, type WriteOptions } from "./capsule.ts";
export { callEnded, callUnknown, type Capsule, capsuleOf, type HandleDelivery, missing } from "./engine.ts";
export { MAX_LOG_LINES, type TurnRun } from "./turn-run.ts";
