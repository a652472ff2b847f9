/**
 * How the nodes of one system talk when nothing has to be kept. What must not be lost goes over `kernel/src/link/`,
 * which repeats until the other side has it in its ledger.
 *
 * 1. At most once: a message arrives, or it does not and nobody is told. Messages of one node to one subject arrive in
 *    the order they were sent, unless the connection broke in between.
 * 2. A node does not hear what it published itself.
 * 3. A request ends: with the answer, or with a code when its deadline has passed, its connection is gone or nobody
 *    there answers for that service. It is never sent twice.
 * 4. Nothing grows without bound: requests that wait, requests being answered, bytes the connection has not taken yet.
 *    Beyond a bound the message is refused with a code, never queued.
 * 5. Requests, answers and tells of one round of the event loop to one node share messages. One that is larger than
 *    a message is cut into parts and put together again; a publish that is larger is refused.
 * 6. What was dropped, refused, late or unreadable is counted.
 */
export interface Messenger {
  /** This node's name. */
  readonly node: string;
  /** The largest payload of a publish; another one when the connection came back to a server that takes another. */
  readonly maxPublishBytes: number;
  /** False when it was dropped at once (and counted): no connection, or one that does not keep up. Throws `MESSENGER_PAYLOAD_TOO_LARGE`. */
  publish(subject: string, payload: Uint8Array): boolean;
  /** The payload is only valid as long as the call lasts. The function returned ends the subscription. */
  subscribe(subject: string, onPayload: (payload: Uint8Array) => void): () => void;
  /** Rejects with `MESSENGER_...`; the other side's refusal arrives with its own code as `MESSENGER_REFUSED`. */
  request(node: string, service: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** One way, to one node. False when it was dropped at once. */
  tell(node: string, service: string, payload: Uint8Array): boolean;
  /** Answers requests and hears tells of other nodes for a service; a tell's answer goes nowhere. One handler a service. */
  serve(service: string, handler: MessageHandler): () => void;
  /** Resolves once the connection has taken everything sent so far. */
  flush(): Promise<void>;
  /** How much of each kind (6), since it was opened. */
  counts(): { readonly [name: string]: number };
  [Symbol.asyncDispose](): Promise<void>;
}

/** Nothing returned is an empty answer. What it throws reaches the asking node as a refusal with its code. */
export type MessageHandler = (
  payload: Uint8Array,
  from: string,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

/** All that a messenger needs of a network: bytes under a subject, to every node that listens but the sender. */
export interface MessageWire {
  readonly node: string;
  /** The largest message it takes now. */
  readonly maxMessageBytes: number;
  /** Undefined when the message was handed on; otherwise why not. */
  send(subject: string, bytes: Uint8Array): WireProblem | undefined;
  listen(subject: string, onMessage: (bytes: Uint8Array) => void): () => void;
  /** Runs once everything else of this round of the event loop has. */
  soon(run: () => void): void;
  flush(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** `gone`: no connection. `slow`: more bytes wait for the connection than may. */
export type WireProblem = "gone" | "slow";
