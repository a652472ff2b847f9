/**
 * Clients of a session store that do what clients and networks do, and what they must not: they jump, fall silent, are lost and
 * come back, repeat themselves, are late, ahead or strangers. By seed. Each waits for its answer before it goes on.
 */
import type { Json, JsonObject } from "@vnes/schemas";

export interface Told {
  readonly sessionId: string;
  readonly version: number;
  readonly epoch: number;
}

export type Ask = (method: string, input: Json) => Promise<JsonObject>;

interface Standing {
  readonly sessionId: string;
  version: number;
  epoch: number;
  channelId: string | null;
}

/** Of every draw of a hundred, up to here. */
const DRAWS = [
  [40, "reattach"],
  [52, "pathSilent"],
  [64, "pathAlive"],
  [74, "transportLost"],
  [79, "degrade"],
  [84, "restore"],
  [87, "repeat"],
  [89, "stale"],
  [91, "epochAhead"],
  [92, "versionAhead"],
  [94, "stranger"],
  [96, "conflict"],
  [97, "terminate"],
  [100, "again"],
] as const;

export class Client {
  readonly #ask: Ask;
  readonly #owner: string;
  readonly #random: () => number;
  /** Told that a transition was accepted. */
  readonly #told: (told: Told) => void;
  #standing: Standing | undefined;
  #latest: { readonly method: string; readonly input: JsonObject; readonly answer: JsonObject } | undefined;
  #asked = 0;

  constructor(number: number, ask: Ask, random: () => number, told: (told: Told) => void) {
    this.#ask = ask;
    this.#owner = ownerOf(number);
    this.#random = random;
    this.#told = told;
  }

  /** One request and its answer. Throws when the answer cannot be. */
  async step(): Promise<void> {
    const standing = this.#standing;
    if (standing === undefined) return this.#begin();
    const draw = this.#random() * 100;
    const what = DRAWS.find(([to]) => draw < to)?.[1] ?? "again";
    const { sessionId, version, epoch, channelId } = standing;
    const bound = { sessionId, channelId: channelId ?? "nowhere" };
    switch (what) {
      case "reattach":
        return this.#request("reattach", { ...this.#to(), version, epoch });
      case "stale":
        if (epoch === 0) return this.#begin();
        return this.#refused("reattach", { ...this.#to(), version, epoch: epoch - 1 });
      case "epochAhead":
        return this.#refused("reattach", { ...this.#to(), version, epoch: epoch + 1 });
      case "versionAhead":
        return this.#request("reattach", { ...this.#to(), version: version + 1_000, epoch });
      case "stranger":
        return this.#refused("reattach", { ...this.#to(), owner: ownerOf(999_999_999), version, epoch });
      case "conflict":
        return this.#refused("pathSilent", { ...bound, expectedVersion: version + 7 });
      case "repeat":
        return this.#repeat();
      case "again":
        return this.#begin();
      case "terminate":
        return this.#request("terminate", { sessionId, owner: this.#owner, cause: "CLIENT_CLOSED" });
      case "degrade":
      case "restore":
        return this.#request(what, { sessionId });
      default:
        return this.#request(what, bound);
    }
  }

  async #begin(): Promise<void> {
    const nonce = this.#id("non");
    const made = await this.#ask("create", { owner: this.#owner, nonce, policy: this.#policy() });
    // It has one, unless a clock has ended that.
    if (made["outcome"] !== "accepted") return;
    this.#take(made, null);
    const { sessionId } = made as { readonly sessionId: string };
    const to = { sessionId, owner: this.#owner, nonce, channelId: this.#id("chn"), pathId: "udp" };
    await this.#request("attach", to);
  }

  async #request(method: string, input: JsonObject): Promise<void> {
    const answer = await this.#ask(method, input);
    if (input["nonce"] !== undefined) this.#latest = { method, input, answer };
    const { outcome } = answer as { readonly outcome: string };
    if (outcome === "accepted") return this.#take(answer, input);
    if (outcome === "terminated") this.#standing = undefined;
    else if (answer["reason"] === "SESSION_UNKNOWN") this.#standing = undefined;
    else this.#follow(answer);
  }

  /** A request that must change nothing. The session may have ended meanwhile. */
  async #refused(method: string, input: JsonObject): Promise<void> {
    const answer = await this.#ask(method, input);
    if (answer["outcome"] === "accepted")
      throw new Error(`${method} was accepted: ${JSON.stringify({ input, answer })}`);
    if (answer["outcome"] === "terminated") this.#standing = undefined;
    else this.#follow(answer);
    if (input["nonce"] !== undefined && answer["sessionId"] !== null)
      this.#latest = { method, input, answer };
  }

  /** V11: the same words have one answer, until the session ends. */
  async #repeat(): Promise<void> {
    if (this.#latest === undefined) return;
    const { method, input, answer: before } = this.#latest;
    const answer = await this.#ask(method, input);
    if (answer["outcome"] === "terminated" || answer["reason"] === "SESSION_UNKNOWN") {
      this.#standing = undefined;
      return;
    }
    const same = { ...before, repeated: answer["repeated"] ?? null };
    if (JSON.stringify(same) !== JSON.stringify(answer) || answer["repeated"] !== true)
      throw new Error(
        `V11: ${JSON.stringify(input)} was answered ${JSON.stringify(before)}, then ${JSON.stringify(answer)}`,
      );
  }

  #take(answer: JsonObject, input: JsonObject | null): void {
    const { sessionId, version, epoch } = answer as unknown as Told;
    const before = this.#standing;
    if (before?.sessionId === sessionId && version <= before.version)
      throw new Error(`V4: ${sessionId} went from version ${before.version} to ${version}`);
    this.#told({ sessionId, version, epoch });
    if (answer["state"] === "TERMINATED") {
      this.#standing = undefined;
      return;
    }
    const isBound = answer["state"] !== "BIRTH" && answer["state"] !== "RECOVERING";
    const bound =
      epoch > (before?.epoch ?? -1) ? ((input?.["channelId"] as string | undefined) ?? null) : null;
    const channelId = isBound ? (bound ?? before?.channelId ?? null) : null;
    this.#standing = { sessionId, version, epoch, channelId };
  }

  /** A rejection tells its owner where the session stands. */
  #follow(answer: JsonObject): void {
    const { sessionId, version, epoch } = answer as unknown as { readonly sessionId: string | null } & Told;
    if (sessionId === null || this.#standing === undefined) return;
    if (version < this.#standing.version) throw new Error(`V4: ${sessionId} is at ${version} again`);
    this.#standing = { ...this.#standing, version, epoch };
  }

  #to(): JsonObject {
    const { sessionId } = this.#standing as Standing;
    const [nonce, channelId] = [this.#id("nre"), this.#id("chn")];
    return { sessionId, owner: this.#owner, nonce, channelId, pathId: "lte" };
  }

  /** Some sessions live shortly: their clocks have to act in the run. */
  #policy(): JsonObject {
    const isShort = this.#random() < 0.2;
    return {
      sessionTtlMs: isShort ? 5_000 + Math.floor(this.#random() * 20_000) : 86_400_000,
      transportLossTtlMs: isShort ? 100 + Math.floor(this.#random() * 2_000) : 3_600_000,
      maxSwitchesPerMinute: this.#random() < 0.1 ? 3 : 600,
    };
  }

  #id(kind: string): string {
    return `${kind}_${Math.floor(this.#random() * 2 ** 40)
      .toString(36)
      .padStart(9, "0")}${String(this.#asked++).padStart(8, "0")}`;
  }
}

function ownerOf(number: number): string {
  return `${String(number).padStart(43, "0")}=`;
}
