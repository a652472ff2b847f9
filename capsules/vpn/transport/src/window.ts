/**
 * The replay window: which counters were seen (RFC 6479). Asked only after a frame was authenticated, so a forger
 * cannot move it.
 *
 * W1. A counter is accepted at most once.
 * W2. A counter at least `WINDOW` behind the greatest one accepted is refused, seen or not.
 */

/** Frames that may arrive out of order; WireGuard's choice before it grew. */
export const WINDOW = 2048;
const BLOCK_BITS = 32;
/** One block more than the window covers would do; twice as many keeps the index a mask. */
const BLOCKS = 128;

export interface ReplayWindow {
  accept(counter: number): boolean;
}

export function createReplayWindow(): ReplayWindow {
  const blocks = new Uint32Array(BLOCKS);
  let greatest = -1;
  return {
    accept(counter) {
      if (counter + WINDOW <= greatest) return false;
      const block = Math.floor(counter / BLOCK_BITS);
      if (counter > greatest) {
        const behind = Math.floor(greatest / BLOCK_BITS);
        const fresh = Math.min(block - behind, BLOCKS);
        for (let i = 0; i < fresh; i++) blocks[(block - i) % BLOCKS] = 0;
        greatest = counter;
      }
      const bit = (1 << (counter % BLOCK_BITS)) >>> 0;
      const seen = blocks[block % BLOCKS] ?? 0;
      if ((seen & bit) !== 0) return false;
      blocks[block % BLOCKS] = (seen | bit) >>> 0;
      return true;
    },
  };
}
