/**
 * Taking ownership of a group: reads to the end, waits until no other lease can be held, appends the claim behind the last
 * message read. The server keeps it only if nothing came in between.
 */
import { ledgerErrors } from "@vnes/kernel";
import { type Claim, encodeControl } from "./control-message.ts";
import type { GroupView } from "./group-view.ts";
import { claimableIn, MARGIN_MS } from "./lease.ts";

/** A claim that was not read back in this time is sent again, the same. */
const RESEND_MS = 1_000;
/** For a server that is away while the claim is made. */
const CLAIM_TIMEOUT_MS = 15_000;

export interface Claimant {
  readonly boot: string;
  readonly node: string;
  readonly instance: string;
  readonly leaseMs: number;
}

export interface ClaimParts {
  readonly view: GroupView;
  readonly claimant: Claimant;
  now(): number;
  /** Publishes with an expected sequence and a message id. */
  send(data: Uint8Array, expected: number, id: string): void;
  /** A twin came first: whether it is to have the group. */
  yields(): boolean;
  /** Somebody else's lease is waited out. */
  onWait?(group: string, owner: Claim, ms: number): void;
}

/**
 * Resolves to when the claim was first sent. Rejects with `LEDGER_IN_USE` when the owner is alive, and with `LEDGER_CLAIMED` when
 * somebody with this owner's own identity came first: a claim that is older is left from its last boot, this one is of a twin.
 */
export async function claimGroup(parts: ClaimParts): Promise<number> {
  const { view, claimant } = parts;
  const deadline = performance.now() + CLAIM_TIMEOUT_MS;
  const lastBoot = view.fold.owner?.boot;
  for (let attempt = 1; ; attempt++) {
    const waitedMs = await waitForLease(parts);
    const sentAt = await tryClaim(parts, attempt, deadline + waitedMs);
    if (sentAt !== undefined) return sentAt;
    const { owner } = view.fold;
    if (owner !== undefined && owner.boot !== lastBoot && isSameOwner(owner, claimant) && parts.yields())
      throw ledgerErrors.create("LEDGER_CLAIMED", { path: view.stream, owner: `node ${owner.node}` });
    if (performance.now() > deadline + waitedMs)
      throw view.unreachable(`the claim of ${claimant.node} is not confirmed`);
  }
}

function isSameOwner(owner: Claim, { node, instance }: Claimant): boolean {
  return owner.node === node && owner.instance === instance;
}

async function waitForLease({ view, claimant, onWait }: ClaimParts): Promise<number> {
  const { fold } = view;
  const { owner } = fold;
  if (owner === undefined || isSameOwner(owner, claimant)) return 0;
  const inUse = () =>
    ledgerErrors.create("LEDGER_IN_USE", {
      path: view.stream,
      owner: `node ${owner.node}`,
      node: owner.node,
    });
  // Whatever the clocks say: an owner that wrote nothing for a lease and a margin while we watched holds none.
  const longest = owner.leaseMs + MARGIN_MS;
  const left = Math.min(claimableIn(fold.ownerAt, owner.leaseMs, view.serverNow() ?? fold.ownerAt), longest);
  if (left === 0) return 0;
  onWait?.(view.group, owner, left);
  const ownerAt = fold.ownerAt;
  const until = performance.now() + left;
  while (performance.now() < until) {
    await view.nextMessage(until - performance.now());
    if (fold.owner === undefined) break;
    if (fold.ownerAt !== ownerAt) throw inUse();
  }
  return left;
}

/** Undefined when something else came first. */
async function tryClaim(parts: ClaimParts, attempt: number, deadline: number): Promise<number | undefined> {
  const { view, claimant } = parts;
  const { fold } = view;
  const expected = fold.lastSeq;
  const data = encodeControl({ kind: "claim", ...claimant });
  const sentAt = parts.now();
  while (performance.now() < deadline) {
    parts.send(data, expected, `${claimant.boot}.claim.${attempt}`);
    await view.nextMessage(RESEND_MS);
    if (fold.claim?.boot === claimant.boot) return sentAt;
    if (fold.lastSeq !== expected) return undefined;
  }
  return undefined;
}
