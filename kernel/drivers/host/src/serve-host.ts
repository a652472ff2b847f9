/**
 * The host's side of the protocol, called once by the module a host process starts with:
 *
 *   const kernel = serveHost((message) => { ...; kernel.send(answer); });
 *
 * It imports next to nothing: every module here is on the way of each boot.
 *
 * 1. Messages are handled one after the other in the order they were sent; `send` keeps the order too.
 * 2. When the kernel closes its end or dies, the process exits: nothing outlives the kernel it works for.
 * 3. A host that cannot follow the protocol exits with code 70; the kernel sees why in its last words.
 */
import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { encodeFrame, FrameReader } from "./frame.ts";
import { writeNow, writeTogether } from "./write-together.ts";

const KERNEL_FD = 3;
/** `EX_SOFTWARE` of sysexits.h. */
const EXIT_PROTOCOL = 70;
/** Repeated from the schemas, which a host does not load; a test compares them. */
export const SERVED_PROTOCOL_VERSION = 1;

export interface KernelLink {
  /** Throws `HOST_PROTOCOL_FRAME_TOO_LARGE`; nothing is sent then. */
  send(message: unknown, text?: string): void;
  /** What was sent leaves now: before work that may not come to an end. */
  flush(): void;
}

/** `text` is what came beside the message; it is written over when `onMessage` has returned. */
export function serveHost(onMessage: (message: unknown, text: Buffer) => void): KernelLink {
  const reader = new FrameReader();
  let greeted = false;
  const receive = (bytes: number): true => {
    try {
      for (const message of reader.wrote(bytes)) {
        if (greeted) onMessage(message, reader.text);
        else greeted = greet(message, pipe);
      }
    } catch (cause) {
      // Straight to the descriptor: `exit` does not wait for streams.
      writeSync(2, `Error: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
      process.exit(EXIT_PROTOCOL);
    }
    return true;
  };
  const onread = { buffer: () => reader.room(), callback: receive };
  const pipe = new Socket({ fd: KERNEL_FD, readable: true, writable: true, onread });
  pipe.on("end", () => process.exit(0));
  pipe.on("error", () => process.exit(0));
  return {
    send: (message, text) => writeTogether(pipe, encodeFrame(message, text)),
    flush: () => writeNow(pipe),
  };
}

function greet(message: unknown, pipe: Socket): true {
  const ours = SERVED_PROTOCOL_VERSION;
  // At once: a host that exits over the version has still said its own.
  for (const part of encodeFrame({ hello: { protocol: ours, pid: process.pid } })) pipe.write(part);
  const theirs = (message as { hello?: { protocol?: unknown } } | null)?.hello?.protocol;
  if (theirs !== ours) throw new Error(`the kernel speaks protocol ${String(theirs)}, this host ${ours}`);
  return true;
}
