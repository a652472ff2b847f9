/**
 * A module and the instance of it that turns run in.
 *
 * G1. An instance goes on only after a turn that ended well. Whatever else happened, a missing key, a failed turn, a trap, it is thrown
 *     away, and the next turn gets a new one: a module that was left in the middle of something is never entered again.
 * G2. A module that imports WASI gets a new instance for every turn: libraries for WASI keep what they once asked for, a seed or an open
 *     file, and the turns after would not be the same in a fresh instance.
 * G3. Set-up (the start function, `_initialize`) is no turn: it cannot reach the imports of `vnes`, and finds the same whenever it runs.
 */
import {
  type Capsule,
  callEnded,
  callUnknown,
  capsuleOf,
  type HandleDelivery,
  missing,
  type TurnRun,
} from "@vnes/sdk/adapter";
import { GuestMemory } from "./guest-memory.ts";
import { GuestTurn } from "./guest-turn.ts";
import { vnesFunctions } from "./vnes-functions.ts";
import { openWasi, type Wasi } from "./wasi-functions.ts";
import { type CompiledModule, webAssembly, type WasmMemory } from "./webassembly.ts";

/** What the host puts into the isolate. */
export interface Given {
  readonly module: ArrayBuffer;
  /** The capsule's other files, path below `impl/` to bytes. */
  readonly files: readonly (readonly [path: string, bytes: ArrayBuffer])[];
  readonly effectBytes: number;
  /** Pages of the memory for a module that imports one; undefined for others. */
  readonly memory?: { readonly initial: number; readonly maximum: number } | undefined;
}

export interface GuestCapsule extends Capsule {
  /** Of the instance's memory. */
  heldBytes(): number;
}

interface Instance {
  readonly memory: GuestMemory;
  readonly wasi: Wasi | undefined;
  readonly deliver: (length: number) => void;
}

/** Throws when the module cannot be compiled, linked or set up. */
export function guestCapsule(given: Given): GuestCapsule {
  const guest = new Guest(given);
  const engine = capsuleOf((run, delivery) => guest.handle(run, delivery));
  return {
    deliver(request) {
      const result = engine.deliver(request);
      // G1, also where the module has caught what an import threw.
      if (result.kind !== "done") guest.discard();
      return result;
    },
    reset() {
      engine.reset();
      guest.discard();
    },
    setCacheBytes: (bytes) => engine.setCacheBytes(bytes),
    heldBytes: () => guest.heldBytes,
  };
}

class Guest {
  readonly #module: CompiledModule;
  readonly #pages: Given["memory"];
  readonly #effectBytes: number;
  readonly #usesWasi: boolean;
  readonly #files: ReadonlyMap<string, Uint8Array>;
  #instance: Instance | undefined;
  #turn: GuestTurn | undefined;

  constructor({ module, files, effectBytes, memory }: Given) {
    this.#module = new webAssembly.Module(module);
    this.#pages = memory;
    this.#effectBytes = effectBytes;
    this.#usesWasi = webAssembly.Module.imports(this.#module).some(
      ({ module }) => module !== "vnes" && module !== "env",
    );
    this.#files = new Map(files.map(([path, bytes]) => [path, new Uint8Array(bytes)]));
    this.#instance = this.#instantiate();
  }

  get heldBytes(): number {
    return this.#instance?.memory.byteLength ?? 0;
  }

  discard(): void {
    this.#instance = undefined;
  }

  handle(run: TurnRun, delivery: Parameters<HandleDelivery>[1]): void {
    const instance = (this.#instance ??= this.#instantiate());
    // G1: until it has come back.
    this.#instance = undefined;
    const isCall = delivery.kind === "call";
    const turn = new GuestTurn(run, isCall, instance.memory, this.#effectBytes);
    const length = turn.give(JSON.stringify(delivery));
    this.#turn = turn;
    try {
      instance.deliver(length);
      instance.wasi?.flush();
    } finally {
      this.#turn = undefined;
    }
    if (!this.#usesWasi) this.#instance = instance;
    ended(turn, delivery);
  }

  #instantiate(): Instance {
    const own = this.#pages === undefined ? undefined : new webAssembly.Memory(this.#pages);
    let found: GuestMemory | undefined = own && new GuestMemory(own);
    const memory = (): GuestMemory => {
      if (found === undefined)
        throw new Error("the module has to be set up before it calls what reaches its memory");
      return found;
    };
    const current = (): GuestTurn => {
      if (this.#turn === undefined)
        throw new Error("while a module is being set up, nothing of vnes can be called");
      return this.#turn;
    };
    const wasi = this.#usesWasi ? openWasi(memory, this.#files, () => this.#turn?.run) : undefined;
    const { exports } = new webAssembly.Instance(this.#module, {
      vnes: vnesFunctions(current),
      wasi_snapshot_preview1: wasi?.functions ?? {},
      env: own === undefined ? {} : { memory: own },
    });
    found ??= new GuestMemory(exports["memory"] as WasmMemory);
    (exports["_initialize"] as (() => void) | undefined)?.();
    return { memory: found, wasi, deliver: exports["deliver"] as Instance["deliver"] };
  }
}

function ended({ run, ending }: GuestTurn, delivery: Parameters<HandleDelivery>[1]): void {
  if (ending !== undefined && "unhandled" in ending) {
    if (delivery.kind === "call") return callUnknown(run, delivery);
    // As in the sdk, where `start` may be left out.
    if (delivery.kind === "start") return;
    missing(run, ...handlerOf(delivery));
  }
  if (delivery.kind !== "call") return;
  if (ending === undefined) {
    const name = `${delivery.capability}.${delivery.method}`;
    return run.fail("TURN_EFFECT_INVALID", `answer of ${name}: neither reply, refuse nor later was called`);
  }
  callEnded(run, delivery, ending.returned);
}

/** As the sdk would name the handler that is missing. */
function handlerOf(
  delivery: Exclude<Parameters<HandleDelivery>[1], { kind: "call" | "start" }>,
): [table: string, name: string] {
  switch (delivery.kind) {
    case "event":
      return ["events", delivery.topic];
    case "batch":
      return ["batches", delivery.topic];
    case "answer":
      return ["answers", delivery.tag];
    case "timer":
      return ["timers", delivery.id.split(":")[0] as string];
  }
}
