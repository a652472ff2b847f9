/** Clients of a run: each does one thing at a time at one node, waits for its end or for the node's death, and writes both down. */
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
  readonly #nodes: readonly SimNode[];
  readonly #next: (number: number) => Request | undefined;
  #active = 0;
  #number = 0;

  /** `next` is what a client does next; undefined: all have done enough. */
  constructor(world: World, nodes: readonly SimNode[], next: (number: number) => Request | undefined) {
    this.#world = world;
    this.#nodes = nodes;
    this.#next = next;
  }

  get areDone(): boolean {
    return this.#active === 0;
  }

  /** Each stays with one node; they are dealt out in turn. */
  start(count: number): void {
    for (let client = 0; client < count; client++) {
      this.#active++;
      this.#live(`c${client + 1}`, this.#nodes[client % this.#nodes.length] as SimNode);
    }
  }

  /** One thing, now; resolves with the answer, or with undefined when there is no node or it died first. */
  ask(client: string, node: SimNode, request: Request): Promise<Answer | undefined> {
    return new Promise((resolve) => this.#do(client, node, request, resolve));
  }

  #live(client: string, node: SimNode): void {
    const thinks = this.#world.oneIn(3) ? 0 : this.#world.random.below(THINK_MS);
    this.#world.after(thinks, () => {
      if (!node.isUp) {
        this.#world.after(AWAY_MS, () => this.#live(client, node));
        return;
      }
      const request = this.#next(++this.#number);
      if (request === undefined) this.#active--;
      else this.#do(client, node, request, () => this.#live(client, node));
    });
  }

  #do(client: string, node: SimNode, request: Request, done: (answer: Answer | undefined) => void): void {
    const world = this.#world;
    const { capability, method, input, timeoutMs } = request;
    const begun = { client, name: `${capability}.${method}`, input, invokedAt: world.at };
    const answer = node.call(capability, method, input, timeoutMs);
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
    const { lives } = node;
    node.onEnd(() => {
      if (node.lives === lives) end(begun, undefined);
    });
    void answer.then((given) =>
      end({ ...begun, end: { at: world.at, answer: given, durable: this.#durable() } }, given),
    );
  }

  /** What every node had on its disk just now. */
  #durable(): ReadonlyMap<string, number> {
    return new Map(
      this.#nodes.flatMap(({ memory }) =>
        [...memory.shards.keys()].map((shard) => [shard, memory.lastSeq(shard)] as const),
      ),
    );
  }
}
