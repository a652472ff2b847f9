/** What the author of a logic capsule imports. */
export type {
  Answer,
  BatchEvent,
  Delivery,
  Effect,
  Json,
  JsonObject,
  KeyVersion,
  LogLine,
  StateRead,
  TurnRequest,
  TurnResult,
} from "@vnes/schemas";
export {
  type BatchInfo,
  type CallInfo,
  type EventInfo,
  type Handlers,
  type Keys,
  later,
  type Refusal,
  refuse,
  type ReadRequest,
  type Turn,
  type WriteOptions,
} from "./capsule.ts";
export { type Capsule, capsule } from "./engine.ts";
