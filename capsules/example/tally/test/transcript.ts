/**
 * Runs `testdata/tally.txt` through the sandbox of a language: the same deliveries, the same effects, whatever the capsule is
 * written in. It stands in for the kernel: keeps the keys, gives those that are asked for, remembers timers. Objects are told
 * with their members sorted, because their order says nothing; what the sandbox itself has to say is told by its code.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Sandbox, SandboxInstance, SandboxSpec } from "@vnes/kernel";
import { buildCapsule, openAuthority, verifyImage } from "@vnes/registry";
import {
  canonicalJson,
  type Delivery,
  type Effect,
  type Json,
  type Manifest,
  type TurnResult,
} from "@vnes/schemas";
import { KeyTable } from "@vnes/sdk/testing";
import { programOf } from "../../../../kernel/src/admission/program.ts";
import { checkTranscript } from "../../../../kernel/test/harness/transcript.ts";

const HERE = new URL("../", import.meta.url);
const TRANSCRIPT = new URL("testdata/tally.txt", HERE);
const EPOCH_MS = 1_700_000_000_000;
/** Native programs start a process for each instance. */
const LIMITS = { memoryMb: 64, turnMs: 2_000, cacheBytes: 1_000_000, effectBytes: 100_000 };

export interface TallyLanguage {
  /** Its folder beside `test/`: `typescript`, `wasm`, `python`, `native`. */
  readonly folder: string;
  /** Compiles what the builder does not, in a copy of the folder. */
  prepare?(dir: string): Promise<void> | void;
  openSandbox(): Sandbox;
}

/** Registers the tests of one language. */
export function tallyTranscript(language: TallyLanguage): void {
  const { folder } = language;
  let building: Promise<SandboxSpec> | undefined;
  const openTally = async (forgetful: boolean): Promise<Tally> => {
    building ??= buildTally(language);
    return new Tally(language.openSandbox(), await building, forgetful);
  };

  test(`tally in ${folder} is built and admitted, and does what the transcript says`, async () => {
    await using tally = await openTally(false);
    await checkTranscript(TRANSCRIPT, (command) => tally.run(command));
  });

  test(`tally in ${folder} does the same when every turn is the first of its instance`, async () => {
    await using tally = await openTally(true);
    await checkTranscript(TRANSCRIPT, (command) => tally.run(command));
  });

  test(`tally in ${folder} has the schemas and the logic every tally has`, () => {
    const topics = ["spec/topics/tally.changed.v1.json", "spec/topics/tally.fed.v1.json"];
    for (const file of ["spec/schema.json", "spec/logic.md", ...topics]) {
      const [own = "", first = ""] = [folder, "typescript"].map((name) =>
        readFileSync(new URL(`${name}/${file}`, HERE), "utf8"),
      );
      assert.equal(own.replace(`tally.${folder}`, "tally.typescript"), first, file);
    }
    assert.deepEqual(askedBy(folder), askedBy("typescript"));
  });
}

/** The manifest without what says the language, and the tier, which a program may not say of itself. */
function askedBy(folder: string): object {
  const manifest = JSON.parse(readFileSync(new URL(`${folder}/manifest.json`, HERE), "utf8")) as Manifest;
  const { id: _, interfaces: __, capabilities, runtime, ...same } = manifest;
  const { determinism_tier: ___, ...asked } = capabilities;
  return { ...same, capabilities: asked, runtime: { ...runtime, language: "any" } };
}

/** What an instance of it is opened with. */
async function buildTally(language: TallyLanguage): Promise<SandboxSpec> {
  const scratch = mkdtempSync(join(tmpdir(), "vnes-tally-"));
  try {
    const dir = join(scratch, "capsule");
    cpSync(fileURLToPath(new URL(language.folder, HERE)), dir, { recursive: true });
    await language.prepare?.(dir);
    const authority = await openAuthority(join(scratch, "config"));
    const { manifest, image } = await buildCapsule(dir, { authority });
    const { verdict } = verifyImage(image, dir, { trust: authority.trust(), policy: authority.policy });
    assert.equal(verdict.kind, "verified", JSON.stringify(verdict));
    const program = programOf(manifest);
    assert.ok(program !== undefined);
    return {
      instance: `${manifest.id}/0`,
      image,
      ...program,
      zone: manifest.security?.trust_zone ?? "tenant",
      group: "tally",
      limits: LIMITS,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

class Tally {
  readonly #sandbox: Sandbox;
  readonly #spec: SandboxSpec;
  readonly #forgetful: boolean;
  readonly #keys = new KeyTable();
  readonly #timers = new Map<string, { readonly at: number; readonly payload: Json }>();
  #instance: SandboxInstance | undefined;
  #keeper: SandboxInstance | undefined;
  #at = EPOCH_MS;
  #turn = 0;
  #seq = 0;

  constructor(sandbox: Sandbox, spec: SandboxSpec, forgetful: boolean) {
    this.#sandbox = sandbox;
    this.#spec = spec;
    this.#forgetful = forgetful;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper?.dispose();
    await this.#sandbox[Symbol.asyncDispose]();
  }

  async run(command: string): Promise<string> {
    const [verb = "", first = "", ...rest] = command.split(" ");
    switch (verb) {
      case "start":
        return this.#deliver({ kind: "start", config: JSON.parse(first) as Json, resumed: this.#turn > 0 });
      case "call":
        return this.#deliver(this.#call(first, JSON.parse(rest.join(" ")) as Json));
      case "event": {
        const seq = ++this.#seq;
        const event = JSON.parse(rest.join(" ")) as Json;
        return this.#deliver({ kind: "event", topic: first, partition: 0, seq, key: "", event });
      }
      case "advance":
        return this.#advance(Number(first));
      case "forget":
        await this.#instance?.reset();
        return "forgotten";
      default:
        return `unknown command ${verb}`;
    }
  }

  #call(name: string, input: Json): Delivery {
    const [capability = "", method = ""] = name.split(".");
    const callId = `caller/0:${this.#turn + 1}:0`;
    const deadlineAt = this.#at + 5_000;
    return { kind: "call", callId, capability, method, input, caller: "control", deadlineAt };
  }

  async #advance(byMs: number): Promise<string> {
    this.#at += byMs;
    const due = [...this.#timers]
      .filter(([, { at }]) => at <= this.#at)
      .sort(([a, { at: first }], [b, { at: second }]) => first - second || (a < b ? -1 : 1));
    const fired: string[] = [];
    for (const [id, { at, payload }] of due) {
      this.#timers.delete(id);
      fired.push(`${id}\n${await this.#deliver({ kind: "timer", id, dueAt: at, payload })}`);
    }
    return fired.length === 0 ? "nothing is due" : fired.join("\n");
  }

  async #deliver(delivery: Delivery): Promise<string> {
    const turn = ++this.#turn;
    const seed = (turn * 0x9e37_79b1).toString(16).padStart(16, "0");
    let request: Parameters<KeyTable["serve"]>[0] = { turn, at: this.#at, seed, delivery };
    // Keeps the group's host, where there is one, while instances come and go.
    if (this.#forgetful) this.#keeper ??= await this.#sandbox.open({ ...this.#spec, instance: "keeper/0" });
    while (true) {
      this.#instance ??= await this.#sandbox.open(this.#spec);
      const [result] = (await this.#instance.deliver([request])) as [TurnResult];
      if (this.#forgetful) {
        await this.#instance.dispose();
        this.#instance = undefined;
      }
      if (result.kind === "failed") return `failed ${result.code}`;
      if (result.kind === "done") return this.#done(result);
      request = this.#keys.serve(request, result);
    }
  }

  #done({ effects, logs = [] }: Extract<TurnResult, { kind: "done" }>): string {
    this.#keys.apply(effects, this.#at);
    for (const effect of effects) {
      if (effect.do === "setTimer") this.#timers.set(effect.id, { at: effect.at, payload: effect.payload });
      if (effect.do === "cancelTimer") this.#timers.delete(effect.id);
    }
    const lines = [
      ...effects.map((effect) => this.#told(effect)),
      ...logs.map(({ level, message, data }) => `log ${level} ${message} ${sorted(data ?? null)}`),
    ];
    return lines.length === 0 ? "nothing" : lines.join("\n");
  }

  #told(effect: Effect): string {
    switch (effect.do) {
      case "write":
        return `write ${sorted(effect.key)} ${sorted(effect.value)}`;
      case "delete":
        return `delete ${sorted(effect.key)}`;
      case "publish":
        return `publish ${effect.topic} ${sorted(effect.key)} ${sorted(effect.event)}`;
      case "setTimer":
        return `timer ${sorted(effect.id)} in ${effect.at - this.#at} ms with ${sorted(effect.payload)}`;
      case "answer": {
        const { answer } = effect;
        if (answer.ok) return `answer ${sorted(answer.value)}`;
        const { code, message, details = null } = answer;
        return code.startsWith("TALLY_") ? `refuse ${code}: ${message} ${sorted(details)}` : `refuse ${code}`;
      }
      default:
        return sorted(effect as unknown as Json);
    }
  }
}

function sorted(value: Json): string {
  return new TextDecoder().decode(canonicalJson(value));
}
