/** What may move a session; the time of an event is given beside it. */
import type { TerminateCause } from "./reasons.ts";

export type SessionEvent =
  | {
      readonly trigger: "attach";
      readonly owner: string;
      readonly channelId: string;
      readonly pathId: string;
    }
  | {
      readonly trigger: "reattach";
      readonly owner: string;
      /** Last epoch and version the client saw. */
      readonly epoch: number;
      readonly version: number;
      readonly channelId: string;
      readonly pathId: string;
    }
  | { readonly trigger: "pathSilent"; readonly channelId: string }
  | { readonly trigger: "pathAlive"; readonly channelId: string }
  | { readonly trigger: "transportLost"; readonly channelId: string }
  | { readonly trigger: "degrade" }
  | { readonly trigger: "restore" }
  | { readonly trigger: "terminate"; readonly cause: TerminateCause }
  | { readonly trigger: "sessionClock" }
  | { readonly trigger: "lossClock" };

export type Trigger = SessionEvent["trigger"];
