/** Paths between the client and the gateway, and the transport driver at each end of them; deaths of every kind. */
import assert from "node:assert/strict";
import type { Answer, Json, JsonObject } from "@vnes/sdk";
import type { Faults } from "./lab.ts";
import type { Driver } from "./lab-node.ts";

export const LATENCY_MS = 5;
export const SILENT_MS = 200;
const DEAD_MS = 2000;
const OPEN_TIMEOUT_MS = 800;

/** Control frames of our own size pass a path that is `small`; a ping of full size does not. */
const SMALL_BYTES = 600;

/**
 * `noUplink`, `noDownlink`: what the client sends, or is sent, is lost. `small`: large frames are. `captive`: somebody else answers.
 */
export type PathState = "up" | "closed" | "blackhole" | "noUplink" | "noDownlink" | "small" | "captive";
export type Death = Exclude<PathState, "up">;

/** What the network needs of whoever runs it: time, chance, and what may go wrong. */
export interface Weather {
  readonly faults: Readonly<Pick<Faults, "frameLost" | "frameTwice" | "frameLate" | "deafNode">>;
  after(ms: number, run: () => void): void;
  chance(share: number): boolean;
  /** In [0, 1). */
  random(): number;
  /** As many hex digits, never the same twice. */
  hex(digits: number): string;
}

/** A node the network reaches: it hears what its driver reports. */
export interface Place {
  readonly name: string;
  readonly up: boolean;
  readonly boots: number;
  report(event: JsonObject): void;
}

interface End {
  readonly id: string;
  readonly node: Place;
  readonly peer: string;
  readonly pathId: string;
  readonly role: "initiator" | "responder";
  other: End | undefined;
  silent: boolean;
  open: boolean;
}

export class Network {
  readonly lab: Weather;
  /** By path id, as the client calls it. */
  readonly paths = new Map<string, PathState>();
  /** One way, in milliseconds, and the share of frames that are lost, of paths that are unlike the others. */
  readonly latencyMs = new Map<string, number>();
  readonly loss = new Map<string, number>();
  readonly #ends = new Set<End>();
  gateway: Place | undefined;
  readonly keys: { readonly client: string; readonly gateway: string };

  constructor(
    lab: Weather,
    pathIds: readonly string[],
    keys: { readonly client: string; readonly gateway: string },
  ) {
    this.lab = lab;
    this.keys = keys;
    for (const pathId of pathIds) this.paths.set(pathId, "up");
  }

  driver(node: Place): Driver {
    const active = new Map<string, { channelId: string | null; epoch: number; session: string }>();
    const find = (id: Json | undefined): End | undefined =>
      [...this.#ends].find((end) => end.node === node && end.id === id && end.open);
    const fail = (code: string): Answer => ({ ok: false, code, message: code });
    const isActive = (end: End): boolean => active.get(end.peer)?.channelId === end.id;
    return {
      call: (method, input, answer) => {
        switch (method) {
          case "open":
            return this.#open(node, input["pathId"] as string, answer);
          case "send": {
            const end = find(input["channelId"]);
            if (!end) return answer(fail("TRANSPORT_CHANNEL_UNKNOWN"));
            const frame = input["frame"] as JsonObject;
            this.#carry(end, frame, JSON.stringify(frame).padEnd(Number(input["padTo"] ?? 0)).length);
            return answer({ ok: true, value: { sent: true } });
          }
          case "close": {
            const end = find(input["channelId"]);
            if (end) this.#close(end, input["reason"] as string, true);
            return answer({ ok: true, value: { closed: end !== undefined } });
          }
          case "setActive": {
            const peer = input["peer"] as string;
            const choice = {
              channelId: input["channelId"] as string | null,
              epoch: Number(input["epoch"]),
              session: (input["session"] ?? "") as string,
            };
            const known = active.get(peer);
            const stale = known && known.session === choice.session && choice.epoch < known.epoch;
            if (stale) return answer({ ok: true, value: { applied: false, epoch: known.epoch } });
            active.set(peer, choice);
            if (choice.channelId !== null && !find(choice.channelId))
              return answer(fail("TRANSPORT_CHANNEL_UNKNOWN"));
            return answer({ ok: true, value: { applied: true, epoch: choice.epoch } });
          }
          case "channels": {
            const asked = input["channelIds"] as readonly string[];
            const ends = asked.flatMap((id) => find(id) ?? []);
            const channels = ends.map((end) => ({
              channelId: end.id,
              silent: end.silent,
              active: isActive(end),
            }));
            return answer({ ok: true, value: { channels, unknown: asked.filter((id) => !find(id)) } });
          }
          case "status": {
            const mine = [...this.#ends].filter((end) => end.node === node && end.open);
            const channels = mine.map((end) => ({
              channelId: end.id,
              pathId: end.pathId,
              peer: end.peer,
              role: end.role,
              kind: "udp",
              remote: "127.0.0.1:1",
              state: "open",
              silent: end.silent,
              active: isActive(end),
            }));
            const pipe = { listen: null, queued: 0 };
            const publicKey = node === this.gateway ? this.keys.gateway : this.keys.client;
            return answer({ ok: true, value: { publicKey, listeners: [], channels, pipe, counters: {} } });
          }
          default:
            assert.fail(`no method ${method}`);
        }
      },
      // A process that dies says goodbye to nobody.
      stop: () => {
        for (const end of [...this.#ends].filter((one) => one.node === node)) {
          this.#ends.delete(end);
          end.open = false;
          if (end.other) this.#hush(end.other);
        }
      },
    };
  }

  /** Both ends learn of a closed path at once; of a blackhole, and of one that delivers one way only, by silence. */
  kill(pathId: string, how: Death): void {
    this.paths.set(pathId, how);
    for (const end of [...this.#ends].filter((one) => one.pathId === pathId && one.open)) {
      if (how === "closed") this.#close(end, "RESET", false);
      else if (how !== "small") this.#hush(end);
    }
  }

  /** What the transport of a node reports of the machine. */
  changeAddresses(node: Place, gone: readonly string[], came: readonly string[]): void {
    const peer = node === this.gateway ? this.keys.gateway : this.keys.client;
    node.report({ event: "addressesChanged", peer, gone: [...gone], came: [...came] });
  }

  /** The system of a node has no way over this path. */
  refuseSends(node: Place, pathId: string, code: string): void {
    for (const end of [...this.#ends].filter((one) => one.node === node && one.pathId === pathId && one.open))
      this.#say(end, "sendFailed", { code });
  }

  revive(pathId: string): void {
    this.paths.set(pathId, "up");
    for (const end of [...this.#ends].filter((one) => one.pathId === pathId && one.open)) {
      if (!end.other?.open || !end.silent) continue;
      end.silent = false;
      this.#say(end, "pathAlive", {});
    }
  }

  /** Frames straight from a stranger's or a broken client's channel. */
  inject(node: Place, channelId: string, pathId: string, peer: string, frame: Json): void {
    node.report({ event: "frame", channelId, pathId, peer, frame });
  }

  openEnds(node: Place): number {
    return [...this.#ends].filter((end) => end.node === node && end.open).length;
  }

  #open(node: Place, pathId: string, answer: (answer: Answer) => void): void {
    const state = this.paths.get(pathId);
    assert.ok(state, pathId);
    const { lab } = this;
    if (state === "closed" || state === "captive") {
      const code = state === "closed" ? "TRANSPORT_OPEN_REFUSED" : "TRANSPORT_OPEN_FOREIGN";
      return lab.after(LATENCY_MS, () => answer({ ok: false, code, message: "refused" }));
    }
    const { boots } = node;
    lab.after(3 * this.#latency(pathId), () => {
      const { gateway } = this;
      if (!this.#isBothWays(pathId) || gateway?.up !== true) {
        const timeout = { ok: false, code: "TRANSPORT_OPEN_TIMEOUT", message: "timeout" } as const;
        return lab.after(OPEN_TIMEOUT_MS, () => answer(timeout));
      }
      if (!node.up || node.boots !== boots) return;
      const here = this.#end(node, this.keys.gateway, pathId, "initiator");
      const there = this.#end(gateway, this.keys.client, pathId, "responder");
      here.other = there;
      there.other = here;
      this.#say(there, "opened", { role: "responder", remote: "127.0.0.1:1" });
      this.#say(here, "opened", { role: "initiator", remote: "127.0.0.1:1" });
      answer({ ok: true, value: { channelId: here.id } });
    });
  }

  #end(node: Place, peer: string, pathId: string, role: End["role"]): End {
    const id = `chn_${this.lab.hex(20)}`;
    const end: End = { id, node, peer, pathId, role, other: undefined, silent: false, open: true };
    this.#ends.add(end);
    return end;
  }

  #carry(from: End, frame: JsonObject, bytes: number): void {
    const { lab } = this;
    const to = from.other;
    if (!to || !this.#delivers(from) || lab.chance(lab.faults.frameLost)) return;
    if (this.paths.get(from.pathId) === "small" && bytes > SMALL_BYTES) return;
    if (lab.chance(this.loss.get(from.pathId) ?? 0)) return;
    const times = lab.chance(lab.faults.frameTwice) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      const late = lab.chance(lab.faults.frameLate) ? Math.floor(lab.random() * 400) : 0;
      lab.after(this.#latency(from.pathId) + late, () => {
        if (to.open && lab.faults.deafNode !== to.node.name) this.#say(to, "frame", { frame });
      });
    }
  }

  #close(end: End, reason: string, tellOther: boolean, more: JsonObject = {}): void {
    if (!end.open) return;
    end.open = false;
    this.#ends.delete(end);
    this.#say(end, "closed", { reason, ...more });
    const { other } = end;
    if (!other || !tellOther) return;
    if (this.#delivers(end)) {
      this.lab.after(this.#latency(end.pathId), () => this.#close(other, reason, false));
    } else this.#hush(other);
  }

  /** Nothing comes any more: silent after a while, dead after a longer one, unless something comes again. */
  #hush(end: End): void {
    this.lab.after(SILENT_MS, () => {
      if (!end.open || end.silent || this.#hears(end)) return;
      end.silent = true;
      const isHeard = end.other !== undefined && this.#delivers(end.other);
      const direction = isHeard ? { direction: "out" } : { direction: "in", limitMs: SILENT_MS };
      this.#say(end, "pathSilent", { silentMs: SILENT_MS, ...direction });
    });
    this.lab.after(DEAD_MS, () => {
      if (end.open && end.silent && !this.#hears(end))
        this.#close(end, "pathDead", this.#delivers(end), { silentMs: DEAD_MS, limitMs: DEAD_MS });
    });
  }

  /** As transports do, which tell each other what they do not hear: hears, and is heard. */
  #hears(end: End): boolean {
    return end.other?.open === true && this.#isBothWays(end.pathId);
  }

  #isBothWays(pathId: string): boolean {
    const state = this.paths.get(pathId);
    return state === "up" || state === "small";
  }

  /** Whether what this end sends arrives. */
  #delivers({ pathId, role }: End): boolean {
    const lost = role === "initiator" ? "noUplink" : "noDownlink";
    const state = this.paths.get(pathId);
    return this.#isBothWays(pathId) || ((state === "noUplink" || state === "noDownlink") && state !== lost);
  }

  #latency(pathId: string): number {
    return this.latencyMs.get(pathId) ?? LATENCY_MS;
  }

  #say(end: End, event: string, rest: JsonObject): void {
    end.node.report({ event, channelId: end.id, pathId: end.pathId, peer: end.peer, ...rest });
  }
}
