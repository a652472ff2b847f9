/**
 * Which channel of a peer carries its packets. The session's owner decides and says so with a rising epoch; this table
 * only remembers, so the same word said twice, or an old word said late, changes nothing.
 *
 * A1. An epoch lower than the one known for the same session is ignored.
 * A2. At most one channel of a peer is active.
 */

export interface ActiveChoice {
  readonly channelId: string | null;
  readonly epoch: number;
  /** Epochs count within a session; another session starts anew. Empty when the caller has none. */
  readonly session: string;
}

export interface ActiveTable {
  /** False when the choice was older than the one known. */
  set(peer: string, choice: ActiveChoice): boolean;
  /** The active channel of the peer, whether or not it is still open. */
  channelOf(peer: string): string | null;
  epochOf(peer: string): number;
  /** A peer without channels has nothing an old word could reach: channel ids are never used again. */
  forget(peer: string): void;
}

export function createActiveTable(): ActiveTable {
  const choices = new Map<string, ActiveChoice>();
  return {
    set(peer, choice) {
      const known = choices.get(peer);
      if (known && known.session === choice.session && choice.epoch < known.epoch) return false;
      choices.set(peer, choice);
      return true;
    },
    channelOf: (peer) => choices.get(peer)?.channelId ?? null,
    epochOf: (peer) => choices.get(peer)?.epoch ?? 0,
    forget: (peer) => void choices.delete(peer),
  };
}
