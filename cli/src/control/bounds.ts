/** The bounds of the control socket. A person or a script asks; nobody needs more, and more would be a mistake or an attack. */

/** Longest request line. A capability's input is the only large thing a client sends. */
export const MAX_REQUEST_BYTES: number = 1024 * 1024;
/** Longest response line; a status of a thousand capsules has about 0.5 MB. */
export const MAX_RESPONSE_BYTES: number = 16 * 1024 * 1024;
/** Connections at once. */
export const MAX_CLIENTS = 64;
/** Requests of one connection without an answer. */
export const MAX_IN_FLIGHT = 1024;
/** Answers waiting for a client that does not read; above it nothing more is read from that client. */
export const MAX_UNSENT_BYTES: number = 4 * 1024 * 1024;
/** A unix socket's path is 108 bytes with its end mark on Linux and 104 on macOS; some room for both. */
export const MAX_SOCKET_PATH_BYTES = 100;
/** A live node accepts at once; after this the socket counts as nobody's. */
export const CONNECT_TIMEOUT_MS = 2000;
/** How long a command waits for an answer that has no deadline of its own. */
export const ANSWER_TIMEOUT_MS = 30_000;
/** A person who was told nothing for so long is told that the command waits, and for how long. */
export const SILENCE_MS = 3000;
/** Doctor looks at a node that should answer at once, and says so when it does not. */
export const LOOK_TIMEOUT_MS = 5000;
/** What a call at the command line may take unless said otherwise. */
export const CALL_TIMEOUT_MS = 5000;
/** Added to a call's own deadline before the client gives up on the node. */
export const CALL_GRACE_MS = 2000;
