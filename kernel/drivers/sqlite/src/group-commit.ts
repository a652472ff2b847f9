/**
 * The queue of work for the next commit. Everything issued in one round of the event loop shares one transaction and so
 * one sync. The transaction runs on the calling thread; so does the sync, unless it is for much: whoever wrote that has more to do
 * meanwhile, and with little, waking another thread takes longer than there is to do.
 *
 * G1. Jobs run in the order they were issued; what a job answers is given after the sync.
 * G2. A transaction that fails is rolled back whole and refuses all of its jobs. After a full disk the queue goes on;
 *     after any other failure of the disk what reached it is unknown, so everything is refused until the file is opened again.
 * G3. A transaction begins when the one before it is on the disk. So at most one commit of the log is not: a torn tail can be told
 *     from a damaged middle (`wal-check.ts`), and what is not durable yet is what this transaction changed (`heads.ts`).
 */
import type { DatabaseSync } from "node:sqlite";
import { ledgerErrors, MAX_RECORD_BYTES } from "@vnes/kernel";
import type { VnesError } from "@vnes/schemas";
import { storeFailure } from "./failure.ts";
import type { Heads } from "./heads.ts";
import type { LogSync } from "./log-sync.ts";
import type { OpenRuns } from "./open-runs.ts";
import type { Statements } from "./statements.ts";

/** What may wait for a commit; past it the commit happens at once instead of at the end of the round. */
const MAX_GROUP_BYTES: number = 2 * MAX_RECORD_BYTES;
const MAX_GROUP_JOBS = 4_096;
/** From here on the sync runs beside the thread: about 60 turns of sessions with their events, 500 of the smallest (ADR 4). */
const LARGE_GROUP_BYTES: number = 192 * 1024;

export interface Job {
  /** Runs inside the transaction. `refused`: shards an earlier job of this commit was refused on, and why. */
  run(refused: Map<string, VnesError>): () => void;
  reject(error: VnesError): void;
}

/** A transaction that is in the log, and not known to be on the disk. */
interface Written {
  readonly jobs: readonly Job[];
  readonly answers: readonly (() => void)[];
}

export interface GroupCommitParts {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly statements: Statements;
  readonly heads: Heads;
  readonly runs: OpenRuns;
  readonly log: LogSync;
}

export class GroupCommit {
  readonly #parts: GroupCommitParts;
  #jobs: Job[] = [];
  #bytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #written: Written | undefined;
  #refusing: VnesError | undefined;

  constructor(parts: GroupCommitParts) {
    this.#parts = parts;
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
    if (this.#bytes > MAX_GROUP_BYTES || this.#jobs.length >= MAX_GROUP_JOBS) this.#commitNow();
    else this.#schedule();
  }

  /** Commits what waits and refuses what comes later. */
  close(): void {
    this.#commitNow();
    this.#refusing = ledgerErrors.create("LEDGER_CLOSED", { path: this.#parts.path });
    this.#parts.log.close();
  }

  /** What waits behind a sync is committed when that has ended (G3). */
  #schedule(): void {
    if (this.#written === undefined && this.#jobs.length > 0)
      this.#scheduled ??= setImmediate(() => this.#commit());
  }

  /** On the thread, all of it. */
  #commitNow(): void {
    if (this.#written !== undefined) this.#wait(this.#written);
    if (this.#jobs.length > 0) this.#commit(true);
  }

  #commit(isUrgent = false): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const jobs = this.#jobs;
    const isLarge = this.#bytes >= LARGE_GROUP_BYTES;
    this.#jobs = [];
    this.#bytes = 0;
    const { path, statements, runs, log } = this.#parts;
    const answers: (() => void)[] = [];
    try {
      statements.begin.run();
      const refused = new Map<string, VnesError>();
      for (const job of jobs) answers.push(job.run(refused));
      runs.write();
      statements.commit.run();
    } catch (error) {
      this.#undo(jobs, storeFailure(path, error));
      return;
    }
    const written: Written = { jobs, answers };
    this.#written = written;
    if (isLarge && !isUrgent) log.begin((problem) => this.#synced(written, problem));
    else this.#wait(written);
  }

  #wait(written: Written): void {
    let problem: unknown = null;
    try {
      this.#parts.log.wait();
    } catch (cause) {
      problem = cause;
    }
    this.#synced(written, problem);
  }

  #synced(written: Written, problem: unknown): void {
    // Somebody could not wait for it, and waited on the thread.
    if (this.#written !== written) return;
    this.#written = undefined;
    const { path, heads } = this.#parts;
    if (problem !== null) {
      heads.undo();
      this.#refuse([...written.jobs, ...this.#jobs], storeFailure(path, problem));
      return;
    }
    heads.keep();
    for (const answer of written.answers) answer();
    this.#schedule();
  }

  #undo(jobs: readonly Job[], error: VnesError): void {
    const { path, db, statements, heads, runs } = this.#parts;
    let failure = error;
    try {
      if (db.isTransaction) statements.rollback.run();
    } catch (second) {
      failure = storeFailure(path, second);
    }
    heads.undo();
    runs.forget();
    if (failure.code !== "LEDGER_DISK_FULL") this.#refuse(jobs, failure);
    else for (const job of jobs) job.reject(failure);
  }

  /** What reached the disk is unknown. */
  #refuse(jobs: readonly Job[], failure: VnesError): void {
    this.#refusing = failure;
    this.#jobs = [];
    for (const job of jobs) job.reject(failure);
  }
}
