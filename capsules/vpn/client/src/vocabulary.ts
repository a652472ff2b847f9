/** The words of the client's agent: what it keeps, what it hears, what it asks for. */
import type { JsonObject } from "@vnes/sdk";
import type { Bound, GatewayFrame, State } from "@vnes/vpn-common";

/** How the client stands to its session, and the session state its mirror shows for it. */
export const MODES = {
  /** No gateway is configured. */
  idle: null,
  seeking: "BIRTH",
  steady: "ATTACHED",
  suspect: "VOLATILE",
  recovering: "RECOVERING",
  ended: "TERMINATED",
} as const satisfies { readonly [mode: string]: State | null };

export type Mode = keyof typeof MODES;

/** What put a path before the next one, in the words of whoever ranked. */
export type Decision = {
  readonly criterion: string;
  readonly value: number | string | null;
  readonly against: string;
  readonly next: number | string | null;
  readonly unit: string | null;
};

export type Place = {
  readonly pathId: string;
  /** Null for the last. */
  readonly decidedBy: Decision | null;
};

/** The candidates in order, best first, as of one moment. */
export type Ranking = {
  readonly at: number;
  readonly by: "routing" | "client";
  /** Code of why routing did not rank; null: it did, or there is one candidate only. */
  readonly problem: string | null;
  /** What routing had from geometry; null: it did not ask. */
  readonly geometry: { readonly model: string | null; readonly problem: string | null } | null;
  readonly places: readonly Place[];
};

/** Why an attempt is over the path it is over; part of the evidence of what it comes to. */
export type Choice = {
  readonly by: "routing" | "client" | "person";
  readonly problem: string | null;
  /** How long before the attempt the ranking was made. */
  readonly ageMs: number | null;
  readonly geometry: Ranking["geometry"];
  readonly decidedBy: Decision | null;
  /** Paths with a better place: in trouble, tried in this round, or held back after a failure. */
  readonly skipped: readonly string[];
  /** Whether the channel was open already. */
  readonly standby: boolean;
};

export type Attempt = {
  readonly id: number;
  readonly pathId: string;
  readonly kind: "create" | "reattach";
  /** A person's jump, or one away from a path below policy: when it fails, the session stays where it is. */
  readonly asked: boolean;
  /** Why it was begun. */
  readonly cause: string;
  readonly stage: "opening" | "asking";
  readonly channelId: string | null;
  readonly nonce: string;
  readonly sends: number;
  readonly resyncs: number;
  readonly startedAt: number;
  readonly choice: Choice;
};

/** What is known of a path. Only what the gateway answered over it counts for it; what was sent does not. */
export type PathHealth = {
  /** Since the path last carried an attach, or the answer to a ping of full size. */
  readonly failures: number;
  readonly lastFailure: string | null;
  readonly lastOkAt: number | null;
  /** Smoothed round trip of pings over it, the gateway's work included; null: none was answered yet. */
  readonly latencyMs: number | null;
  /** Smoothed share of its pings that were not answered; null: none was sent yet. */
  readonly lossPercent: number | null;
  /** When it failed of late, oldest first. */
  readonly failedAt: readonly number[];
  /** Until then it is tried after the others and not probed; null: it works as far as known. */
  readonly retryAt: number | null;
  readonly probedAt: number | null;
};

/** Pings over one channel, one after the other, until one is answered or they are too many. */
export type Check = {
  readonly channelId: string;
  readonly pathId: string;
  readonly pings: readonly { readonly nonce: string; readonly at: number; readonly isLarge: boolean }[];
};

/** A look at a path that carries nothing. */
export type Probe = {
  /** Of the same count as attempts. */
  readonly id: number;
  readonly pathId: string;
  /** Null while its channel opens. */
  readonly check: Check | null;
};

/** How the active path does what policy asks. */
export type Quality = {
  readonly isBelow: boolean;
  /** Why it is below; null: it is not. */
  readonly reason: string | null;
  /** Of the last pings, oldest first, whether each was below policy. */
  readonly recent: readonly boolean[];
  /** The number that says so, or said last that it is within policy again; absent: it was not judged yet. */
  readonly met?: Bound;
};

export type ClientEvent = {
  readonly event:
    | "seeking"
    | "attached"
    | "suspected"
    | "cleared"
    | "degraded"
    | "restored"
    | "lost"
    | "switched"
    | "denied"
    | "pathFailed"
    | "pathAnswered"
    | "ended"
    | "renewed";
  readonly sessionId: string | null;
  readonly version: number;
  readonly epoch: number;
  readonly pathId: string | null;
  readonly fromPathId: string | null;
  readonly reason: string;
  readonly at: number;
  readonly evidence: JsonObject;
};

/** Kept as JSON under `agent`. */
export type Agent = {
  readonly mode: Mode;
  readonly reason: string;
  readonly gateway: string | null;
  /** Mirror of the session: its owner is at the gateway, and the mirror never goes back. */
  readonly session: { readonly id: string; readonly version: number; readonly epoch: number } | null;
  readonly active: { readonly channelId: string; readonly pathId: string; readonly since: number } | null;
  /** Path of the channel that is or was active last. */
  readonly lastPath: string | null;
  readonly attempt: Attempt | null;
  /** Attempts so far; numbers them, so that an answer to an old one is known as such. */
  readonly attempts: number;
  /** Nonce of a creation that was not answered yet: repeated over every channel, so that it is one creation. */
  readonly creation: string | null;
  readonly troubleSince: number | null;
  readonly lastSwitchAt: number | null;
  readonly switches: readonly number[];
  /** Paths tried in this round. */
  readonly tried: readonly string[];
  readonly rounds: number;
  /** The last one. */
  readonly ranking: Ranking | null;
  /** Whether it was made for a round that has not begun. */
  readonly isPrepared: boolean;
  /** A ranking that was asked for: the request, and when the client ranks by itself. */
  readonly asking: { readonly request: number; readonly until: number } | null;
  /** Rankings asked for so far. */
  readonly requests: number;
  /** Of the active channel. */
  readonly check: Check | null;
  readonly quality: Quality;
  readonly probe: Probe | null;
  /** A channel that is open beside the active one, so that a jump to it costs one round trip. */
  readonly standby: {
    readonly channelId: string;
    readonly pathId: string;
    readonly checkedAt: number;
  } | null;
  /** When each timer that is set was asked for. */
  readonly timers: { readonly [name in TimerName]?: number };
  /** When it last woke from a sleep: what that made late is no sign of another one. */
  readonly awakeAt: number;
  readonly waiting: { readonly reason: string; readonly until: number } | null;
  readonly paths: { readonly [pathId: string]: PathHealth };
  readonly recent: readonly ClientEvent[];
  readonly counters: { readonly [name: string]: number };
};

export type TimerName = "attempt" | "retry" | "recovery" | "watch" | "ping" | "probe" | "renew";

export type Heard =
  | { readonly heard: "started" }
  | { readonly heard: "opened"; readonly attempt: number; readonly channelId: string }
  | {
      readonly heard: "openFailed";
      readonly attempt: number;
      readonly code: string;
      /** How long it was waited for. */
      readonly waitedMs?: number;
      /** The transport's own limit, where that was reached. */
      readonly limitMs?: number;
    }
  | { readonly heard: "sendFailed"; readonly attempt: number; readonly code: string }
  | { readonly heard: "setActiveFailed"; readonly channelId: string; readonly code: string }
  /** A channel to the gateway that the transport opened, wanted or not. */
  | { readonly heard: "channelOpened"; readonly channelId: string }
  | { readonly heard: "frame"; readonly channelId: string; readonly frame: GatewayFrame }
  | { readonly heard: "frameMalformed" }
  | {
      readonly heard: "pathSilent";
      readonly channelId: string;
      readonly silentMs: number;
      readonly direction?: "in" | "out";
      /** The silence after which the transport says so; absent where the other end's did. */
      readonly limitMs?: number;
    }
  | { readonly heard: "pathAlive"; readonly channelId: string }
  /** The system refused to send over the channel's path. */
  | { readonly heard: "pathRefused"; readonly channelId: string; readonly code: string }
  | {
      readonly heard: "addressesChanged";
      readonly gone: readonly string[];
      readonly came: readonly string[];
    }
  | { readonly heard: "transportStarted" }
  | {
      readonly heard: "channelClosed";
      readonly channelId: string;
      readonly reason: string;
      /** Where the transport heard nothing for so long: how long, and its limit. */
      readonly silentMs?: number;
      readonly limitMs?: number;
    }
  | {
      readonly heard: "listed";
      readonly askedAt: number;
      readonly channels: readonly { readonly channelId: string; readonly silent: boolean }[];
    }
  | {
      readonly heard: "ranked";
      readonly request: number;
      readonly ranking: Pick<Ranking, "places" | "geometry">;
    }
  | { readonly heard: "rankFailed"; readonly request: number; readonly code: string }
  | { readonly heard: "timer"; readonly timer: TimerName }
  | { readonly heard: "jumpAsked"; readonly pathId: string }
  | {
      readonly heard: "jumpRefused";
      readonly pathId: string | null;
      readonly reason: string;
      readonly evidence: JsonObject;
    }
  | { readonly heard: "closeAsked" }
  | { readonly heard: "renewAsked" };

export type Asked =
  | { readonly ask: "open"; readonly attempt: number; readonly pathId: string }
  | {
      readonly ask: "send";
      readonly attempt: number;
      readonly channelId: string;
      readonly frame: JsonObject;
      /** Bytes the frame takes at least. */
      readonly padTo?: number;
    }
  | {
      readonly ask: "sendAndClose";
      readonly channelId: string;
      readonly frame: JsonObject;
      readonly reason: string;
    }
  | { readonly ask: "close"; readonly channelId: string; readonly reason: string }
  | {
      readonly ask: "setActive";
      readonly channelId: string | null;
      readonly epoch: number;
      readonly sessionId: string;
    }
  | { readonly ask: "list" }
  | { readonly ask: "rank"; readonly request: number; readonly input: JsonObject; readonly timeoutMs: number }
  /** A measured round trip, for whoever makes a map of them. */
  | { readonly ask: "sample"; readonly pathId: string; readonly rttMs: number }
  | { readonly ask: "publish"; readonly event: ClientEvent }
  | { readonly ask: "wake"; readonly timer: TimerName; readonly at: number }
  | { readonly ask: "unwake"; readonly timer: TimerName };
