/**
 * Runs built bundles in this process, under the prelude that a capsule's isolate has: time, randomness and everything
 * else that could differ between two runs are the turn's or absent. One realm serves every instance, which an isolate's
 * own realm would not; that this changes nothing is what `--isolates` shows.
 */
import { createContext, runInContext, Script } from "node:vm";
import type { Bundle, BundleTable } from "@vnes/driver-memory";
import { type CapsuleImage, imageFile, type SandboxSpec } from "@vnes/kernel";
import type { TurnRequest, TurnResult } from "@vnes/schemas";
import { installPrelude, type Prelude } from "../../kernel/drivers/isolate/src/prelude.ts";

const decoder = new TextDecoder();

export class BundleRealm {
  readonly #realm: object = createContext({});
  readonly #prelude: Prelude = runInContext(`(${installPrelude.toString()})()`, this.#realm) as Prelude;
  readonly #scripts = new Map<string, Script>();
  /** Whose bundle the prelude runs. */
  #bound: RealmBundle | undefined;

  /** For a `MemorySandbox`: each of these capsules. */
  tableOf(capsules: Iterable<string>): BundleTable {
    return Object.fromEntries([...capsules].map((id) => [id, (spec: SandboxSpec) => this.open(spec)]));
  }

  /** A bundle of its own for each instance. */
  open({ image, entry, limits }: SandboxSpec): Bundle {
    this.#script(image, entry).runInContext(this.#realm);
    const exported = (this.#realm as { capsule?: unknown }).capsule;
    const bundle = new RealmBundle((one) => {
      if (this.#bound !== one) {
        this.#bound = one;
        (this.#realm as { capsule?: unknown }).capsule = exported;
        const problem = this.#prelude.bind(limits.cacheBytes, limits.effectBytes);
        if (problem !== "") throw new Error(`${image.hash}: ${problem}`);
      }
      return this.#prelude;
    });
    return bundle;
  }

  #script(image: CapsuleImage, entry: string): Script {
    const known = this.#scripts.get(image.hash);
    if (known !== undefined) return known;
    const file = imageFile(image, entry);
    if (file === undefined) throw new Error(`${image.hash} has no ${entry}`);
    const script = new Script(decoder.decode(file.bytes), { filename: `${image.hash}/${entry}` });
    this.#scripts.set(image.hash, script);
    return script;
  }
}

class RealmBundle implements Bundle {
  readonly #prelude: (bundle: RealmBundle) => Prelude;

  constructor(prelude: (bundle: RealmBundle) => Prelude) {
    this.#prelude = prelude;
  }

  deliver(request: TurnRequest): TurnResult {
    const [text] = this.#prelude(this).run([JSON.stringify([request]), 0, 1, Number.POSITIVE_INFINITY]);
    const [result] = JSON.parse(text.slice(text.indexOf("["))) as TurnResult[];
    if (result === undefined) throw new Error("a bundle gave no result");
    return result;
  }

  reset(): void {
    this.#prelude(this).reset();
  }
}
