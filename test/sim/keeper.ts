/** Whoever keeps a node running: boots it when it is down, and restarts it when it says that it cannot go on. */
import type { FaultPlan } from "./fault-plan.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

const LOOK_MS = 250;
/** A node that is down stays so for up to this long. */
const DOWN_MS = 800;
/** What is wrong for this many looks does not mend by itself. */
const PATIENCE = 8;
/** Then no life has crash points any more, so that a run that meets one at every boot comes to an end. */
const MAX_LIVES = 12;

export class Keeper {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #plan: () => FaultPlan;
  #isOver = false;
  #unwell = 0;
  #bootsAt: number | undefined;

  constructor(world: World, node: SimNode, plan: () => FaultPlan) {
    this.#world = world;
    this.#node = node;
    this.#plan = plan;
  }

  start(): void {
    this.#look();
  }

  end(): void {
    this.#isOver = true;
  }

  #look(): void {
    if (this.#isOver) return;
    const node = this.#node;
    if (node.isDown) this.#bringBack();
    else void this.#check();
    this.#world.after(LOOK_MS, () => this.#look());
  }

  #bringBack(): void {
    this.#bootsAt ??= this.#world.clock.now() + this.#world.random.below(DOWN_MS);
    if (this.#world.clock.now() < this.#bootsAt) return;
    this.#bootsAt = undefined;
    this.#unwell = 0;
    this.#node.boot(this.#plan());
  }

  async #check(): Promise<void> {
    const status = await this.#node.status();
    const isWell = status !== undefined && status.problems.length === 0;
    this.#unwell = isWell ? 0 : this.#unwell + 1;
    if (this.#unwell < PATIENCE || this.#isOver) return;
    this.#world.trace(
      `${this.#node.name} is unwell: ${status?.problems.map(({ code }) => code).join(", ") ?? "no status"}`,
    );
    this.#unwell = 0;
    this.#node.crash("unwell");
  }

  get hasSeenEnough(): boolean {
    return this.#node.lives >= MAX_LIVES;
  }
}
