export * from "./errors.ts";
export * from "./ports/capsule-source.ts";
export * from "./ports/clock.ts";
export * from "./ports/device.ts";
export * from "./ports/digest.ts";
export * from "./ports/image-archive.ts";
export * from "./ports/ledger-bounds.ts";
export * from "./ports/ledger-errors.ts";
export * from "./ports/ledger-lease.ts";
export * from "./ports/ledger-store.ts";
export * from "./ports/log.ts";
export * from "./ports/messenger.ts";
export * from "./ports/messenger-errors.ts";
export * from "./ports/quarantine.ts";
export * from "./ports/random.ts";
export * from "./ports/sandbox.ts";
export * from "./ports/signer.ts";
export * from "./admission/image.ts";
export type { Budget, BudgetItem } from "./budget/budget.ts";
export * from "./confinement/confinement.ts";
export { confinementOf, type ConfinementQuestion } from "./confinement/confinement-of.ts";
export { groupOf, type HostGroup } from "./confinement/host-group.ts";
export * from "./admission/verdict.ts";
export * from "./runtime/node/node.ts";
export * from "./admission/errors.ts";
export * from "./admission/evidence.ts";
export * from "./admission/judge.ts";
export * from "./admission/signing.ts";
export { type TopicOffer, topicOffers } from "./admission/topic-files.ts";
export * from "./admission/tree-hash.ts";
export { importedPages, type WasmProblem, wasmProblems } from "./admission/wasm/check.ts";
export { VNES_IMPORTS, WASI_IMPORTS } from "./admission/wasm/interface.ts";
export { matchesId, type TrustRoot, verifyTrust } from "./admission/trust.ts";
export { keyHash } from "./bus/routing.ts";
export * from "./binding/errors.ts";
export * from "./binding/resolve.ts";
export * from "./bus/topic-errors.ts";
export * from "./runtime/topics/topic-control.ts";
export * from "./state/errors.ts";
export * from "./lifecycle/errors.ts";
export * from "./lifecycle/lifecycle.ts";
export type { Cluster } from "./cluster/remote-routes.ts";
export { MAX_PAYLOAD_BYTES, WireMessenger } from "./messenger/wire-messenger.ts";
export * from "./placement/ledger-group.ts";
export * from "./placement/owner-table.ts";
export * from "./receipts/errors.ts";
export type { Refusal } from "./receipts/refusal.ts";
export { type ReceiptVerdict, verifyExecutionReceipt, type VerifyReceiptOptions } from "./receipts/verify.ts";
export * from "./replay/errors.ts";
export type { Difference } from "./replay/output.ts";
export { unlessExpected } from "./replay/unless-expected.ts";
export {
  type ReplayOptions,
  type ReplayParts,
  type ReplayProgress,
  type ReplayReport,
  replayShard,
} from "./runtime/replay/replay.ts";
export type { CapsuleReplayOptions, CapsuleReplayReport } from "./runtime/replay/replays.ts";
export {
  type Damage,
  type ShardVerdict,
  verifyLedger,
  type VerifyOptions as LedgerVerifyOptions,
} from "./runtime/ledger/ledger-verify.ts";
export {
  isReplayable,
  type ReceiptReplayParts,
  type ReceiptReplayReport,
  replayReceipt,
} from "./runtime/replay/replay-receipt.ts";
export { MAX_RECEIPT_BYTES, type ReceiptRequest } from "./runtime/ledger/receipt-export.ts";
export { imagesKept, pruneImages } from "./runtime/boot/kept-images.ts";
export { bootNode } from "./runtime/boot/boot.ts";
export type { BranchInput } from "./runtime/state/branch-inputs.ts";
export type { BranchInfo, BranchRan } from "./runtime/state/branches.ts";
export type { BranchTurn } from "./state/branch.ts";
export type { ShardChoice } from "./runtime/state/node-state.ts";
export type { NodeParts } from "./runtime/node/parts.ts";
export type { Moment, StateAt, StateDifference, StateHistoryPage } from "./runtime/state/state-history.ts";
export type { KeyDifference } from "./state/diff.ts";
export type { KeyChange } from "./state/history.ts";
export type { OverBudget } from "./runtime/node/budgets.ts";
export type { Usage } from "./runtime/shard/capsule-budget.ts";
