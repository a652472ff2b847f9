/** What every part of a store shares: the connection, the API of JetStream, the names, the clock. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Clock } from "@vnes/kernel";
import type { BatchCache } from "./batch-cache.ts";
import type { Bus } from "./connection.ts";

export interface ServerLink {
  readonly bus: Bus;
  readonly jsm: JetStreamManager;
  readonly namespace: string;
  readonly replicas: number;
  /** Counts sleep: a lease runs out while a machine sleeps. */
  readonly clock: Pick<Clock, "now">;
  readonly cache: BatchCache;
}

/** How long one request to the API of JetStream may take. */
export const API_TIMEOUT_MS = 3_000;
/** An append waits so long for a server before its caller is told; a leader election takes up to 8.5 s. */
export const RETRY_BUDGET_MS = 10_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/** Asks again with back-off until the budget is spent; rejects with what was wrong last. */
export async function retried<T>(ask: () => Promise<T>, isFinal: (error: unknown) => boolean): Promise<T> {
  const deadline = performance.now() + RETRY_BUDGET_MS;
  for (let delay = FIRST_RETRY_MS; ; delay = Math.min(delay * 2, MAX_RETRY_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (isFinal(error) || performance.now() + delay > deadline) throw error;
    }
    await new Promise((resume) => setTimeout(resume, delay));
  }
}

export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
