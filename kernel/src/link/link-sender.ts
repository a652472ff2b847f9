/**
 * The sending end of a link: brings entries to one other node in order, over a messenger that may lose, repeat and
 * overtake, and keeps each until that node has confirmed it. Says what to send and when to look again; sends nothing.
 *
 * LK1. The entries of a link are numbered from 0 without gaps, in the order they were added. Number 0 is the oldest that
 *     was not confirmed when the link was opened, so whoever knows nothing of earlier links misses nothing.
 * LK2. The other side takes numbers only without gaps. What it took it holds in memory; what it confirmed is in its
 *     ledger. When it has forgotten the link (it was restarted), a new link begins with everything unconfirmed.
 * LK3. An entry leaves only by `confirm`. While nothing comes back, one batch is sent again with a growing delay, so a
 *     node that is down costs its peers a message every `RETRY.maxMs`.
 */

/** Entries on their way that the other side has not taken: enough to fill a connection, few enough to send again. */
const WINDOW_ENTRIES = 4_096;
const BATCH_ENTRIES = 256;
/** Below a message of any server; a larger entry travels alone, in parts. */
const BATCH_BYTES = 256 * 1024;
/** Taken and not confirmed for long: the confirmation may be lost, so some are asked about again, in turn. */
const PROBE_ENTRIES = 64;
/** From a little more than a round trip and a commit to a second a person would call a hang. */
export const RETRY: { readonly firstMs: number; readonly maxMs: number } = { firstMs: 100, maxMs: 2_000 };

export interface LinkEntry {
  readonly id: string;
  /** As it travels. */
  readonly text: string;
}

/** Numbers `first` up to `first + count`; what of them was confirmed already is left out of `texts`. */
export interface LinkBatch {
  readonly link: string;
  readonly first: number;
  readonly count: number;
  readonly texts: readonly string[];
}

export class LinkSender {
  readonly #name: string;
  readonly #unconfirmed = new Map<number, LinkEntry>();
  readonly #numbers = new Map<string, number>();
  #opened = 1;
  /** One more than the last number. */
  #end = 0;
  #next = 0;
  /** The other side has taken everything below. */
  #taken = 0;
  /** It is there and follows this link: the whole window may be used. */
  #isFollowed = false;
  #wentBackTo = -1;
  #probeFrom = 0;
  #attempt = 0;
  #silence = 0;
  #lookAt: number | undefined;

  /** `name` differs for every run of every node. */
  constructor(name: string) {
    this.#name = name;
  }

  get link(): string {
    return `${this.#name}.${this.#opened}`;
  }

  /** Entries that are not confirmed. */
  get waiting(): number {
    return this.#unconfirmed.size;
  }

  /** When `look` is to be called; undefined when nothing waits. */
  get lookAt(): number | undefined {
    return this.#lookAt;
  }

  /** How often in a row nothing came back. */
  get silence(): number {
    return this.#silence;
  }

  add(entry: LinkEntry): void {
    if (this.#numbers.has(entry.id)) return;
    this.#numbers.set(entry.id, this.#end);
    this.#unconfirmed.set(this.#end++, entry);
  }

  /** The next batch to send now, until there is none. */
  batch(now: number): LinkBatch | undefined {
    // Also when the window is closed: what was taken may have been said and lost.
    if (this.#unconfirmed.size > 0) this.#lookAt ??= now + RETRY.firstMs;
    if (this.#next >= this.#end) return undefined;
    const window = this.#isFollowed ? WINDOW_ENTRIES : 1;
    if (this.#next - this.#taken >= window) return undefined;
    const made = this.#cut(this.#next, Math.min(BATCH_ENTRIES, this.#end - this.#next));
    this.#next = made.first + made.count;
    return made;
  }

  /** The other side has taken everything below `next`; with `gap`, it misses what comes then. */
  took(link: string, next: number, gap: boolean, now: number): void {
    if (link !== this.link || next > this.#end) return;
    this.#silence = 0;
    if (gap && next < this.#taken) {
      // It was restarted and has met this link's beginning again, on its way since before.
      this.forgotten(link);
      return;
    }
    this.#isFollowed = true;
    if (next > this.#taken) {
      this.#taken = next;
      this.#next = Math.max(this.#next, next);
      this.#progress(now);
    }
    // Every batch behind the one that was lost says so; going back once is enough.
    if (!gap || this.#wentBackTo === next) return;
    this.#wentBackTo = next;
    this.#next = this.#taken;
  }

  /** False for an entry that is not waiting (any more). */
  confirm(id: string, now: number): boolean {
    const number = this.#numbers.get(id);
    if (number === undefined) return false;
    this.#numbers.delete(id);
    this.#unconfirmed.delete(number);
    this.#progress(now);
    return true;
  }

  /** The other side knows nothing of the link: a new one begins with what is not confirmed (LK2). */
  forgotten(link: string): void {
    if (link !== this.link) return;
    const entries = [...this.#unconfirmed.values()];
    this.#opened++;
    this.#unconfirmed.clear();
    this.#numbers.clear();
    this.#end = 0;
    this.#next = 0;
    this.#taken = 0;
    this.#isFollowed = false;
    this.#wentBackTo = -1;
    this.#probeFrom = 0;
    for (const entry of entries) this.add(entry);
  }

  /** Time has passed: what has to be sent again, if anything. `batch` may have more afterwards. */
  look(now: number): LinkBatch | undefined {
    if (this.#lookAt === undefined || now < this.#lookAt) return undefined;
    if (this.#unconfirmed.size === 0) {
      this.#lookAt = undefined;
      return undefined;
    }
    this.#lookAt = now + Math.min(RETRY.maxMs, RETRY.firstMs * 2 ** Math.min(this.#attempt, 20));
    this.#attempt++;
    this.#silence++;
    this.#wentBackTo = -1;
    if (this.#taken < this.#next || !this.#isFollowed) {
      this.#next = this.#taken;
      this.#isFollowed = false;
      return undefined;
    }
    return this.#probe();
  }

  #progress(now: number): void {
    this.#attempt = 0;
    this.#silence = 0;
    this.#lookAt = this.#unconfirmed.size === 0 ? undefined : now + RETRY.firstMs;
  }

  #probe(): LinkBatch | undefined {
    let first: number | undefined;
    for (const number of this.#unconfirmed.keys()) {
      if (number >= this.#taken) break;
      first ??= number;
      if (number < this.#probeFrom) continue;
      first = number;
      break;
    }
    if (first === undefined) return undefined;
    const made = this.#cut(first, Math.min(PROBE_ENTRIES, this.#taken - first));
    this.#probeFrom = made.first + made.count;
    return made;
  }

  #cut(first: number, atMost: number): LinkBatch {
    const texts: string[] = [];
    let bytes = 0;
    let count = 0;
    for (; count < atMost; count++) {
      const text = this.#unconfirmed.get(first + count)?.text;
      if (text === undefined) continue;
      if (texts.length > 0 && bytes + text.length > BATCH_BYTES) break;
      bytes += text.length;
      texts.push(text);
    }
    return { link: this.link, first, count, texts };
  }
}
