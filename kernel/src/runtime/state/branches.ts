/**
 * The branches of a node: made, given things to do, compared, discarded. One thing at a time, and a sandbox only while a branch
 * runs, so branches cost a node one process at most.
 *
 * Owns nothing between requests: a branch is what its shard says (`branch-ledger.ts`).
 */
import { type Manifest, parseManifest } from "@vnes/schemas";
import { type CapsuleImage, imageFile } from "../../admission/image.ts";
import { capsuleOf } from "../../bus/routing.ts";
import type { ShardState } from "../../ledger/shard-state.ts";
import {
  beginningFacts,
  type Branch,
  type BranchFact,
  branchName,
  branchShard,
  type BranchTurn,
  branchTurn,
  isBranchName,
  MAX_BRANCH_NAME,
  MAX_BRANCH_SIZE,
  MAX_BRANCHES,
} from "../../state/branch.ts";
import { diffKeys } from "../../state/diff.ts";
import { firstPage } from "../../state/page.ts";
import { stateErrors } from "../../state/errors.ts";
import type { BranchInput } from "./branch-inputs.ts";
import { BranchLedger, type BranchLedgerParts } from "./branch-ledger.ts";
import { BranchRun } from "./branch-run.ts";
import { BranchRunner } from "./branch-runner.ts";
import { rulesOf, specOf } from "../boot/capsule-spec.ts";
import type { Capsule } from "../node/capsule-table.ts";
import type { NodeContext } from "../node/node-context.ts";
import { ampleLimits } from "../replay/replay-spec.ts";
import { MAX_DIFFERENCES, type StateDifference, type StateHistory } from "./state-history.ts";
import { Turnstile } from "../shard/turnstile.ts";

export interface BranchInfo {
  readonly name: string;
  readonly capsule: string;
  readonly parent: string;
  readonly from: number;
  /** Last record of the parent it was fed. */
  readonly fed: number;
  /** Where it stands: its own seq, and its time. */
  readonly seq: number;
  readonly at: number;
  readonly image: string;
  readonly turns: number;
  readonly createdAt: number;
}

/** What a request made a branch do. */
export interface BranchRan {
  readonly branch: BranchInfo;
  /** In order, as many as fit an answer; `show` has all of them. */
  readonly turns: readonly BranchTurn[];
  /** Turns that ran and are not among them. */
  readonly more: number;
  /** Deliveries that had nothing to be delivered to: the branch has gone another way than its parent. */
  readonly skipped: number;
  /** True when the request was cut at `MAX_RUN_TURNS`: ask again to go on. */
  readonly cut: boolean;
}

/** Turns in one answer. */
const MAX_SHOWN_TURNS = 100;

export class Branches {
  readonly #context: NodeContext;
  readonly #history: StateHistory;
  readonly #turnstile = new Turnstile();

  constructor(context: NodeContext, history: StateHistory) {
    this.#context = context;
    this.#history = history;
  }

  /** Begins after record `from` of the shard, by default its last. */
  create(parent: string, from: number | undefined, asked: string | undefined): Promise<BranchInfo> {
    return this.#turnstile.enter(async () => {
      const { parts, watch } = this.#context;
      watch.assertTaking();
      if (asked !== undefined && !isBranchName(asked))
        throw stateErrors.create("BRANCH_NAME_INVALID", { name: asked, limit: MAX_BRANCH_NAME });
      const known = await this.#all();
      const name = asked ?? freeName(known);
      const same = known.find((branch) => branch.name === name);
      if (same !== undefined)
        throw stateErrors.create("BRANCH_EXISTS", { name, parent: same.parent, from: same.from });
      if (known.length >= MAX_BRANCHES) throw stateErrors.create("BRANCH_TOO_MANY", { limit: MAX_BRANCHES });
      const seq = from ?? (await parts.ledger.lastSeq(parent));
      const state = await this.#history.stateAt(parent, { seq });
      if (state.size > MAX_BRANCH_SIZE) {
        const details = { parent, from: seq, size: state.size, limit: MAX_BRANCH_SIZE };
        throw stateErrors.create("BRANCH_TOO_LARGE", details);
      }
      const capsule = this.#context.table.get(capsuleOf(parent));
      const createdAt = parts.clock.now();
      const image = (await this.#imageOf(capsule, state.image)).hash;
      const beginning = { name, capsule: capsule.id, parent, from: seq, at: state.at, image, createdAt };
      const { ledger } = await BranchLedger.open(this.#log(name));
      await ledger.append(beginningFacts({ type: "branch.began", ...beginning }, state));
      return infoOf((await BranchLedger.open(this.#log(name))).branch as Branch);
    });
  }

  list(): Promise<readonly BranchInfo[]> {
    return this.#turnstile.enter(() => this.#all());
  }

  /** Turns after seq `after`, a page at a time. */
  show(
    name: string,
    after: number,
  ): Promise<{
    readonly branch: BranchInfo;
    readonly turns: readonly BranchTurn[];
    readonly next: number | null;
  }> {
    return this.#turnstile.enter(async () => {
      const turns: BranchTurn[] = [];
      const { branch } = await this.#open(name, (fact) => {
        if (fact.type === "branch.began") turns.length = 0;
        if (fact.type === "branch.turn" && fact.record.seq > after && turns.length <= MAX_SHOWN_TURNS)
          turns.push(branchTurn(fact));
      });
      const shown = firstPage(turns, MAX_SHOWN_TURNS);
      const next = turns.length > shown.length ? (shown.at(-1)?.seq ?? null) : null;
      return { branch: infoOf(branch), turns: shown, next };
    });
  }

  /** What it ran before it failed is kept. Throws what `BranchRun` throws. */
  run(name: string, input: BranchInput): Promise<BranchRan> {
    return this.#turnstile.enter(async () => {
      const { table, parts, watch } = this.#context;
      watch.assertTaking();
      const { branch, ledger } = await this.#open(name);
      const { capsule: id, image: hash, parent } = branch.beginning;
      const capsule = table.get(id);
      const image = await this.#imageOf(capsule, hash);
      const manifest = manifestOf(image) ?? capsule.manifest;
      const group = branchShard(parts.node, name);
      const usual = specOf(this.#context, capsule, manifest, image);
      const spec = { ...usual, limits: ampleLimits(usual.limits), instance: parent, group };
      const rules = rulesOf(this.#context, capsule, manifest);
      const runner = await BranchRunner.open(parts.sandbox, spec, rules, branch.state);
      const run = new BranchRun(this.#context, branch, manifest, runner);
      try {
        await run.with(input);
      } finally {
        await runner.close();
        await ledger.append(run.facts);
      }
      const { facts, skipped, cut } = run;
      const all = facts.flatMap((fact) => (fact.type === "branch.turn" ? [branchTurn(fact)] : []));
      const turns = firstPage(all, MAX_SHOWN_TURNS);
      return { branch: infoOf(branch), turns, more: all.length - turns.length, skipped, cut };
    });
  }

  /** From the other branch, or the parent after record `seq` (default its last), to this branch. */
  diff(
    name: string,
    other: { readonly branch?: string; readonly seq?: number },
    { after = "", limit = MAX_DIFFERENCES }: { readonly after?: string; readonly limit?: number },
  ): Promise<StateDifference> {
    return this.#turnstile.enter(async () => {
      const { branch } = await this.#open(name);
      const base = await this.#base(branch, other);
      const all = diffKeys(base, branch.state).filter(({ key }) => key > after);
      const differences = firstPage(all, Math.min(limit, MAX_DIFFERENCES));
      const { parent: shard } = branch.beginning;
      return {
        shard,
        from: base.seq,
        to: branch.state.seq,
        differences,
        more: all.length - differences.length,
      };
    });
  }

  discard(name: string): Promise<BranchInfo> {
    return this.#turnstile.enter(async () => {
      this.#context.watch.assertTaking();
      const { branch, ledger } = await this.#open(name);
      await ledger.discard();
      return infoOf(branch);
    });
  }

  /** Resolves once nothing of a branch is under way. */
  settled(): Promise<void> {
    return this.#turnstile.enter(async () => {});
  }

  async #base(
    branch: Branch,
    other: { readonly branch?: string; readonly seq?: number },
  ): Promise<ShardState> {
    const { name, parent } = branch.beginning;
    if (other.branch === undefined) {
      const seq = other.seq ?? (await this.#context.parts.ledger.lastSeq(parent));
      return this.#history.stateAt(parent, { seq });
    }
    const { branch: second } = await this.#open(other.branch);
    const { parent: otherParent } = second.beginning;
    if (otherParent === parent) return second.state;
    throw stateErrors.create("BRANCH_OTHER_STATE", { name, parent, other: other.branch, otherParent });
  }

  async #all(): Promise<readonly BranchInfo[]> {
    const { parts } = this.#context;
    const branches: BranchInfo[] = [];
    for (const shard of await parts.ledger.shards()) {
      const name = branchName(parts.node, shard);
      if (name === undefined) continue;
      const { branch } = await BranchLedger.open(this.#log(name));
      if (branch !== undefined) branches.push(infoOf(branch));
    }
    return branches;
  }

  async #open(
    name: string,
    onFact?: (fact: BranchFact) => void,
  ): Promise<{ readonly ledger: BranchLedger; readonly branch: Branch }> {
    const { ledger, branch } = await BranchLedger.open(this.#log(name), onFact);
    if (branch === undefined) throw stateErrors.create("BRANCH_UNKNOWN", { name });
    return { ledger, branch };
  }

  #log(name: string): BranchLedgerParts {
    const { parts } = this.#context;
    const { ledger: store, digest, clock } = parts;
    return { shard: branchShard(parts.node, name), store, digest, clock };
  }

  /** The image that ran at the fork, as far as it is kept; the one that runs now otherwise. */
  async #imageOf(capsule: Capsule, hash: string | null): Promise<CapsuleImage> {
    if (hash === null || capsule.image.hash === hash) return capsule.image;
    return (await this.#context.parts.archive?.get(hash)) ?? capsule.image;
  }
}

function infoOf({ beginning, state, fed, turns }: Branch): BranchInfo {
  const { name, capsule, parent, from, image, createdAt } = beginning;
  return { name, capsule, parent, from, fed, seq: state.seq, at: state.at, image, turns, createdAt };
}

function freeName(taken: readonly BranchInfo[]): string {
  for (let n = 1; ; n++) if (!taken.some(({ name }) => name === `b${n}`)) return `b${n}`;
}

function manifestOf(image: CapsuleImage): Manifest | undefined {
  const file = imageFile(image, "manifest.json");
  const parsed = file === undefined ? undefined : parseManifest(file.bytes);
  return parsed?.ok === true ? parsed.value : undefined;
}
