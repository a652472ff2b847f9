/**
 * What two nodes say to each other on a link, as JSON. Bytes from another node are a boundary: what is not of this form
 * is refused whole.
 */
import type { Answer, Json } from "@vnes/schemas";
import { parseEffectId } from "../ledger/effect-id.ts";
import type { OutboxEntry } from "../ledger/outbox.ts";
import type { LinkBatch } from "../link/link-sender.ts";

export type LinkMessage =
  | {
      readonly kind: "batch";
      readonly link: string;
      readonly first: number;
      readonly count: number;
      /** Equal on nodes that run the same capsules by the same table. */
      readonly program: string;
      readonly entries: readonly OutboxEntry[];
    }
  /** `gap`: what came was not what comes at `next`. */
  | { readonly kind: "took"; readonly link: string; readonly next: number; readonly gap: boolean }
  | { readonly kind: "unknown"; readonly link: string }
  /** The nodes were not given the same program; nothing was taken. */
  | { readonly kind: "differs"; readonly program: string }
  /** Effects that need no repeat; those in `refused` are answered in the receiver's place. */
  | {
      readonly kind: "confirmed";
      readonly ids: readonly string[];
      readonly refused: readonly (readonly [id: string, answer: Answer])[];
    };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function entryText({ id, at, depth, effect }: OutboxEntry): string {
  return JSON.stringify({ id, at, depth, effect });
}

export function encodeBatch({ link, first, count, texts }: LinkBatch, program: string): Uint8Array {
  const head = JSON.stringify({ kind: "batch", link, first, count, program });
  return encoder.encode(`${head.slice(0, -1)},"entries":[${texts.join(",")}]}`);
}

export function encodeReply(message: Exclude<LinkMessage, { kind: "batch" }>): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

export function parseLinkMessage(bytes: Uint8Array): LinkMessage | undefined {
  let value: { readonly [key: string]: unknown };
  try {
    value = JSON.parse(decoder.decode(bytes)) as typeof value;
  } catch {
    return undefined;
  }
  return typeof value === "object" && value !== null && isLinkMessage(value)
    ? (value as unknown as LinkMessage)
    : undefined;
}

function isLinkMessage(value: { readonly [key: string]: unknown }): boolean {
  const { kind, link, first, count, next, gap, program, entries, ids, refused } = value;
  switch (kind) {
    case "batch":
      return (
        isText(link) &&
        isText(program) &&
        isNumber(first) &&
        isNumber(count) &&
        Array.isArray(entries) &&
        entries.length <= count &&
        entries.every(isEntry)
      );
    case "took":
      return isText(link) && isNumber(next) && typeof gap === "boolean";
    case "unknown":
      return isText(link);
    case "differs":
      return isText(program);
    case "confirmed":
      return Array.isArray(ids) && ids.every(isText) && Array.isArray(refused) && refused.every(isRefused);
    default:
      return false;
  }
}

function isEntry(value: unknown): boolean {
  const { id, at, depth, effect } = (value ?? {}) as Partial<OutboxEntry>;
  if (typeof id !== "object" || !isText(id.shard) || !isNumber(id.seq) || !isNumber(id.index)) return false;
  return isNumber(at) && isNumber(depth) && isEffect(effect);
}

function isEffect(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const effect = value as { readonly [key: string]: Json | undefined };
  switch (effect["do"]) {
    case "publish":
      return isText(effect["topic"]) && isText(effect["key"]) && effect["event"] !== undefined;
    case "call":
      return (
        isText(effect["capability"]) &&
        isText(effect["method"]) &&
        effect["input"] !== undefined &&
        isNumber(effect["timeoutMs"])
      );
    case "answer":
      return isCallId(effect["callId"]) && isAnswer(effect["answer"]);
    default:
      return false;
  }
}

function isAnswer(value: unknown): boolean {
  const { ok, code } = (value ?? {}) as { readonly ok?: unknown; readonly code?: unknown };
  return ok === true || (ok === false && isText(code));
}

function isRefused(value: unknown): boolean {
  return Array.isArray(value) && isText(value[0]) && isAnswer(value[1]);
}

function isCallId(value: unknown): boolean {
  return isText(value) && parseEffectId(value) !== undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
