/** What an owner writes under one claim: appends waiting and on their way, and messages about the group. */
import type { VnesError } from "@vnes/schemas";
import { AppendQueue } from "./append-queue.ts";
import type { MessageKind } from "./control-message.ts";
import { Pipeline, type PipelineParts } from "./pipeline.ts";

export interface TenureParts extends PipelineParts {
  /** Bytes of a batch, and of a part of a larger one. */
  partBytes(): number;
  /** Seq of the last confirmed record of a shard. */
  head(shard: string): number;
}

export class Tenure {
  readonly boot: string;
  readonly pipeline: Pipeline;
  readonly queue: AppendQueue;
  /** Callers of control messages on their way. */
  readonly #controls = new Set<(error: VnesError) => void>();

  constructor(parts: TenureParts) {
    const { boot, partBytes, head } = parts;
    this.boot = boot;
    this.pipeline = new Pipeline(parts);
    this.queue = new AppendQueue({ boot, partBytes, pipeline: this.pipeline, head });
  }

  control(kind: MessageKind, data: Uint8Array, done: () => void, reject: (error: VnesError) => void): void {
    this.#controls.add(reject);
    this.pipeline.pushControl(kind, data, () => {
      this.#controls.delete(reject);
      done();
    });
  }

  /** Everybody who waits is told; what was sent and is found to be kept after all is kept in mind. */
  refuse(error: VnesError): void {
    for (const reject of this.#controls) reject(error);
    this.#controls.clear();
    this.queue.unreachable(error);
  }
}
