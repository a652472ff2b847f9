/**
 * Work of the kernel's thread that somebody else's doing makes long: it is done in steps, and everything else the thread has to do goes
 * between them.
 */

/** Yields wherever it may be interrupted, some tenths of a millisecond apart. */
export type Steps<T> = Generator<void, T>;

/** Once it has taken so long, others go first: with a millisecond a turn beside one that floods its log took twice as long as before. */
const STRETCH_MS = 0.25;

/** Told how many milliseconds of the thread a stretch of it was. */
type Took = (ms: number) => void;

export function atOnce<T>(steps: Steps<T>, took: Took): T {
  const from = performance.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done !== true) continue;
    took(performance.now() - from);
    return value;
  }
}

/** Rejects with what a step throws. */
export async function inStretches<T>(steps: Steps<T>, took: Took): Promise<T> {
  for (;;) {
    const from = performance.now();
    let now = from;
    try {
      do {
        const { done, value } = steps.next();
        now = performance.now();
        if (done === true) return value;
      } while (now - from < STRETCH_MS);
    } finally {
      took(now - from);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
