/**
 * Chunks of snapshots: a stream of its own for a namespace, one subject a chunk, so that a chunk put again replaces what
 * was there. Names and shards are in the subjects as hashes: they may hold what a subject may not.
 *
 * A chunk larger than a message has several parts; the first one is written last, and all carry the same id. A reader that
 * finds parts of different ids finds no chunk.
 */
import { createHash, randomBytes } from "node:crypto";
import { ledgerErrors } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import { cutBody, decodeFrame, encodeFrame, type Frame } from "./frame.ts";
import { partBytes } from "./message-size.ts";
import { problemOf, retried, RETRY_BUDGET_MS, type ServerLink } from "./server-link.ts";
import { apiCode, chunkConfig, chunkStream, chunkSubject, ensureStream, isSpaceCode } from "./streams.ts";

const PUT_TIMEOUT_MS = 2_000;
const DROPS_AT_ONCE = 16;
const NO_MESSAGE = 10037;

export class ChunkStore {
  readonly #link: ServerLink;
  readonly #stream: string;
  /** Chunks being put, and for each drop under way those put since it began. */
  readonly #putting = new Map<string, number>();
  readonly #spared = new Set<Set<string>>();

  constructor(link: ServerLink) {
    this.#link = link;
    this.#stream = chunkStream(link.namespace);
  }

  async open(groups: number): Promise<void> {
    const { bus, jsm, namespace, replicas } = this.#link;
    await ensureStream(jsm, bus.connection.getServer(), chunkConfig(namespace, replicas, groups));
  }

  async put(shard: string, name: string, bytes: Uint8Array): Promise<void> {
    const key = `${hashed(shard)}.${hashed(name)}`;
    for (const spared of this.#spared) spared.add(key);
    this.#putting.set(key, (this.#putting.get(key) ?? 0) + 1);
    try {
      await this.#put(shard, name, bytes);
    } finally {
      const others = (this.#putting.get(key) ?? 1) - 1;
      if (others === 0) this.#putting.delete(key);
      else this.#putting.set(key, others);
    }
  }

  /** Remembers what is put from now on; a drop that began with it leaves that alone. */
  beginDrop(): Set<string> {
    const spared = new Set(this.#putting.keys());
    this.#spared.add(spared);
    return spared;
  }

  endDrop(spared: Set<string>): void {
    this.#spared.delete(spared);
  }

  async #put(shard: string, name: string, bytes: Uint8Array): Promise<void> {
    const boot = randomBytes(8).toString("hex");
    const bodies = cutBody(bytes, partBytes(this.#link.bus));
    for (let part = bodies.length - 1; part >= 0; part--) {
      const body = bodies[part] as Uint8Array;
      const frame = { part, parts: bodies.length, boot, number: bytes.length, body };
      await this.#publish(this.#subject(shard, name, `${part}`), encodeFrame(frame));
    }
  }

  async read(shard: string, name: string): Promise<Uint8Array | undefined> {
    const first = await this.#part(shard, name, 0);
    if (first === undefined) return undefined;
    const rest = Array.from(
      { length: first.parts - 1 },
      async (_, index) => await this.#part(shard, name, index + 1),
    );
    const parts = [first, ...(await Promise.all(rest))];
    if (parts.some((part) => part?.boot !== first.boot)) return undefined;
    return Buffer.concat(parts.map((part) => (part as Frame).body));
  }

  /** Drops what is neither to be kept nor spared; resolves to how many. */
  async dropOthers(shard: string, keep: ReadonlySet<string>, spared: ReadonlySet<string>): Promise<number> {
    const { jsm } = this.#link;
    const kept = new Set([...keep].map(hashed));
    const filter = this.#subject(shard, ">");
    const { state } = await this.#asked(
      async () => await jsm.streams.info(this.#stream, { subjects_filter: filter }),
    );
    const names = new Set(
      Object.keys(state.subjects ?? {}).map((subject) => subject.split(".").at(-2) ?? ""),
    );
    const doomed = [...names].filter((name) => !kept.has(name) && !spared.has(`${hashed(shard)}.${name}`));
    for (let start = 0; start < doomed.length; start += DROPS_AT_ONCE) {
      const some = doomed.slice(start, start + DROPS_AT_ONCE).map(async (name) => {
        const parts = chunkSubject(this.#link.namespace, `${hashed(shard)}.${name}.*`);
        const limits = { filter: parts, seq: state.last_seq + 1 };
        await this.#asked(async () => await jsm.streams.purge(this.#stream, limits));
      });
      await Promise.all(some);
    }
    return doomed.length;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#asked(async () => await this.#link.jsm.streams.info(this.#stream))).state.bytes;
  }

  async #part(shard: string, name: string, part: number): Promise<Frame | undefined> {
    const subject = this.#subject(shard, name, `${part}`);
    const { jsm } = this.#link;
    const found = await this.#asked(async () => {
      try {
        return await jsm.streams.getMessage(this.#stream, { last_by_subj: subject });
      } catch (error) {
        if (apiCode(error) === NO_MESSAGE) return null;
        throw error;
      }
    });
    if (found === null) return undefined;
    const frame = decodeFrame(found.data);
    if (typeof frame !== "string") return frame;
    const where = ` at message ${found.seq}`;
    throw ledgerErrors.create("LEDGER_FILE_CORRUPT", { path: this.#stream, where, problem: frame });
  }

  /** Durable once acknowledged; sent again, it replaces itself. */
  async #publish(subject: string, data: Uint8Array): Promise<void> {
    const { connection } = this.#link.bus;
    await this.#asked(async () => {
      const answer = await connection.request(subject, data, { timeout: PUT_TIMEOUT_MS });
      const { error } = answer.json<{
        readonly error?: { readonly err_code?: number; readonly description?: string };
      }>();
      if (error === undefined) return;
      if (isSpaceCode(error.err_code)) throw ledgerErrors.create("LEDGER_DISK_FULL", { path: this.#stream });
      throw new Error(error.description ?? "refused");
    });
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await retried(ask, isVnesError);
    } catch (error) {
      if (isVnesError(error)) throw error;
      const details = { path: this.#stream, seconds: RETRY_BUDGET_MS / 1_000, problem: problemOf(error) };
      throw ledgerErrors.create("LEDGER_UNREACHABLE", details, error);
    }
  }

  #subject(shard: string, name: string, part?: string): string {
    const rest = part === undefined ? name : `${hashed(name)}.${part}`;
    return chunkSubject(this.#link.namespace, `${hashed(shard)}.${rest}`);
  }
}

function hashed(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
