/**
 * The queue of work for the next commit. Everything issued in one round of the event loop shares one transaction and so
 * one fsync; the transaction runs on the calling thread.
 *
 * G1. Jobs run in the order they were issued; what a job answers is given after the fsync.
 * G2. A transaction that fails is rolled back whole and refuses all of its jobs. After a full disk the queue goes on;
 *     after any other failure of the disk what reached it is unknown, so everything is refused until the file is opened again.
 */
import type { DatabaseSync } from "node:sqlite";
import { ledgerErrors, MAX_RECORD_BYTES } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { storeFailure } from "./failure.ts";
import type { Heads } from "./heads.ts";
import type { OpenRuns } from "./open-runs.ts";
import type { Statements } from "./statements.ts";

/** What may wait for a commit; past it the commit happens at once instead of at the end of the round. */
const MAX_GROUP_BYTES: number = 2 * MAX_RECORD_BYTES;
const MAX_GROUP_JOBS = 4_096;

export interface Job {
  /** Runs inside the transaction. `refused`: shards an earlier job of this commit was refused on, and why. */
  run(refused: Map<string, VnesError>): () => void;
  reject(error: VnesError): void;
}

export class GroupCommit {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  readonly #heads: Heads;
  readonly #runs: OpenRuns;
  #jobs: Job[] = [];
  #bytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #refusing: VnesError | undefined;

  constructor(path: string, db: DatabaseSync, statements: Statements, heads: Heads, runs: OpenRuns) {
    this.#path = path;
    this.#db = db;
    this.#statements = statements;
    this.#heads = heads;
    this.#runs = runs;
  }

  /** Why nothing is taken; undefined while it is. */
  get refusing(): VnesError | undefined {
    return this.#refusing;
  }

  /** `bytes`: about what the job writes. */
  add(job: Job, bytes: number): void {
    if (this.#refusing !== undefined) {
      job.reject(this.#refusing);
      return;
    }
    this.#jobs.push(job);
    this.#bytes += bytes;
    if (this.#bytes > MAX_GROUP_BYTES || this.#jobs.length >= MAX_GROUP_JOBS) this.#commit();
    else this.#scheduled ??= setImmediate(() => this.#commit());
  }

  /** Commits what waits and refuses what comes later. */
  close(): void {
    if (this.#jobs.length > 0) this.#commit();
    this.#refusing = ledgerErrors.create("LEDGER_CLOSED", { path: this.#path });
  }

  #commit(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const jobs = this.#jobs;
    this.#jobs = [];
    this.#bytes = 0;
    const answers: (() => void)[] = [];
    try {
      this.#statements.begin.run();
      const refused = new Map<string, VnesError>();
      for (const job of jobs) answers.push(job.run(refused));
      this.#runs.write();
      this.#statements.commit.run();
    } catch (error) {
      this.#undo(jobs, storeFailure(this.#path, error));
      return;
    }
    this.#heads.keep();
    for (const answer of answers) answer();
  }

  #undo(jobs: readonly Job[], error: VnesError): void {
    let failure = error;
    try {
      if (this.#db.isTransaction) this.#statements.rollback.run();
    } catch (second) {
      failure = storeFailure(this.#path, second);
    }
    this.#heads.undo();
    this.#runs.forget();
    if (failure.code !== "LEDGER_DISK_FULL") this.#refusing = failure;
    for (const job of jobs) job.reject(failure);
  }
}
