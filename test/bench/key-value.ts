/** The peer of durable transitions: a key-value bucket of NATS whose keys are set by comparing their revision. */
import { requirePeer } from "./peers.ts";

/** About what is kept of a session. */
const VALUE_BYTES = 512;

interface Bucket {
  get(key: string): Promise<{ readonly revision: number } | null>;
  create(key: string, value: Uint8Array): Promise<number>;
  update(key: string, value: Uint8Array, revision: number): Promise<number>;
}

interface Connection {
  jetstreamManager(): Promise<{
    readonly streams: {
      add(stream: { readonly name: string; readonly subjects: readonly string[] }): Promise<unknown>;
    };
  }>;
  jetstream(): {
    publish(subject: string, event: Uint8Array): Promise<unknown>;
    readonly views: { kv(name: string, options: { readonly storage: string }): Promise<Bucket> };
  };
  close(): Promise<void>;
}

export interface KeyValue extends AsyncDisposable {
  readonly bytes: number;
  /** Sets the writer's own key, comparing the revision its last update had. */
  update(writer: number): Promise<void>;
  /** What a transition is for a process that keeps nothing of its own: read, set by comparing, and told as an event. */
  move(writer: number): Promise<void>;
}

export async function openKeyValue(servers: readonly string[]): Promise<KeyValue> {
  const { connect } = requirePeer("nats") as {
    connect(options: { readonly servers: readonly string[] }): Promise<Connection>;
  };
  const connection = await connect({ servers });
  const stream = connection.jetstream();
  const bucket = await stream.views.kv("sessions", { storage: "file" });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: "MOVES", subjects: ["moves.*"] });
  const value = new Uint8Array(VALUE_BYTES).fill(0x78);
  const revisions = new Map<number, number>();
  return {
    bytes: VALUE_BYTES,
    async update(writer) {
      const revision = revisions.get(writer);
      const key = `session.${writer}`;
      revisions.set(
        writer,
        revision === undefined ? await bucket.create(key, value) : await bucket.update(key, value, revision),
      );
    },
    async move(writer) {
      const key = `moving.${writer}`;
      const found = await bucket.get(key);
      if (found === null) await bucket.create(key, value);
      else await bucket.update(key, value, found.revision);
      await stream.publish(`moves.${writer}`, value);
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
