/**
 * Work for a client that takes longer than an answer may: started by one request, looked at by others. A client that went
 * away stops looking, and what nobody looks at is called off.
 */
import { randomBytes } from "node:crypto";
import type { Json } from "@vnes/schemas";
import { cliErrors } from "../errors.ts";

/** A person waits for one; more at once are scripts, and they can wait. */
const MAX_JOBS = 8;
/** A client looks again at once; this is a client that is gone. */
const ABANDONED_MS = 15_000;

export interface JobView {
  readonly job: string;
  /** What the work last said of itself. */
  readonly progress: Json;
  readonly done: boolean;
  /** Null until it is done. */
  readonly result: Json;
}

interface Job {
  readonly abort: AbortController;
  progress: Json;
  readonly ended: Promise<{ readonly result: Json } | { readonly error: unknown }>;
  abandoned: NodeJS.Timeout | undefined;
}

export class Jobs {
  readonly #jobs = new Map<string, Job>();

  /** The job's name. `run` tells how far it is, and stops when the signal says so. */
  start(run: (signal: AbortSignal, tell: (progress: Json) => void) => Promise<Json>): string {
    if (this.#jobs.size >= MAX_JOBS) throw cliErrors.create("CONTROL_TOO_MANY_JOBS", { limit: MAX_JOBS });
    const name = `job_${randomBytes(8).toString("hex")}`;
    const abort = new AbortController();
    const tell = (progress: Json): void => {
      job.progress = progress;
    };
    const ended = Promise.resolve()
      .then(() => run(abort.signal, tell))
      .then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
    const job: Job = { abort, progress: null, ended, abandoned: undefined };
    this.#jobs.set(name, job);
    this.#watch(name, job);
    return name;
  }

  /** Waits for its end, at most `waitMs`. A job that has ended is told once, its error thrown; then it is forgotten. */
  async look(name: string, waitMs: number): Promise<JobView> {
    const job = this.#jobs.get(name);
    if (job === undefined) throw cliErrors.create("CONTROL_JOB_UNKNOWN", { job: name });
    clearTimeout(job.abandoned);
    let timer: NodeJS.Timeout | undefined;
    const waited = new Promise<undefined>((resume) => {
      timer = setTimeout(() => resume(undefined), waitMs);
    });
    const ended = await Promise.race([job.ended, waited]);
    clearTimeout(timer);
    if (ended === undefined) {
      this.#watch(name, job);
      return { job: name, progress: job.progress, done: false, result: null };
    }
    this.#jobs.delete(name);
    if ("error" in ended) throw ended.error;
    return { job: name, progress: job.progress, done: true, result: ended.result };
  }

  [Symbol.dispose](): void {
    for (const { abort, abandoned } of this.#jobs.values()) {
      clearTimeout(abandoned);
      abort.abort();
    }
    this.#jobs.clear();
  }

  #watch(name: string, job: Job): void {
    job.abandoned = setTimeout(() => {
      this.#jobs.delete(name);
      job.abort.abort(cliErrors.create("CONTROL_JOB_UNKNOWN", { job: name }));
    }, ABANDONED_MS);
    job.abandoned.unref();
  }
}
