/** Clients of a run: each does one thing at a time, waits for its end or for the death of its node, and writes both down. */
import type { Answer, Json } from "@vnes/schemas";
import type { Operation } from "../history/operation.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

export interface Request {
  readonly capability: string;
  readonly method: string;
  readonly input: Json;
  readonly timeoutMs: number;
}

/** Between two things a client does, at most; some come at once. */
const THINK_MS = 40;
/** Until it looks again whether its node is back. */
const AWAY_MS = 60;

export class Clients {
  readonly operations: Operation[] = [];
  readonly #world: World;
  readonly #node: SimNode;
  readonly #next: (client: string, number: number) => Request | undefined;
  #active = 0;
  #number = 0;

  /** `next` is what a client does next; undefined: it has done enough. */
  constructor(world: World, node: SimNode, next: (client: string, number: number) => Request | undefined) {
    this.#world = world;
    this.#node = node;
    this.#next = next;
  }

  get areDone(): boolean {
    return this.#active === 0;
  }

  start(count: number): void {
    for (let client = 1; client <= count; client++) {
      this.#active++;
      this.#live(`c${client}`);
    }
  }

  /** One thing, now; resolves with the answer, or with undefined when the node died first. */
  ask(client: string, request: Request): Promise<Answer | undefined> {
    return new Promise((resolve) => this.#do(client, request, resolve));
  }

  #live(client: string): void {
    const thinks = this.#world.oneIn(3) ? 0 : this.#world.random.below(THINK_MS);
    this.#world.after(thinks, () => {
      if (!this.#node.isUp) {
        this.#world.after(AWAY_MS, () => this.#live(client));
        return;
      }
      const request = this.#next(client, ++this.#number);
      if (request === undefined) this.#active--;
      else this.#do(client, request, () => this.#live(client));
    });
  }

  #do(client: string, request: Request, done: (answer: Answer | undefined) => void): void {
    const world = this.#world;
    const { capability, method, input, timeoutMs } = request;
    const begun = { client, name: `${capability}.${method}`, input, invokedAt: world.at };
    const answer = this.#node.call(capability, method, input, timeoutMs);
    if (answer === undefined) {
      done(undefined);
      return;
    }
    world.trace(`${client} asks ${begun.name} ${JSON.stringify(input)}`);
    let isOver = false;
    const end = (operation: Operation, given: Answer | undefined): void => {
      if (isOver) return;
      isOver = true;
      this.operations.push(operation);
      world.trace(`${client} hears ${given === undefined ? "nothing" : JSON.stringify(given)}`);
      done(given);
    };
    const { lives } = this.#node;
    this.#node.onEnd(() => {
      if (this.#node.lives === lives) end(begun, undefined);
    });
    void answer.then((given) => {
      const { memory } = this.#node;
      const durable = new Map([...memory.shards.keys()].map((shard) => [shard, memory.lastSeq(shard)]));
      end({ ...begun, end: { at: world.at, answer: given, durable } }, given);
    });
  }
}
