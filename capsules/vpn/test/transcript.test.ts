/**
 * Stories of one session, to be read as prose: a command, what the session's owner and the client said because of it.
 * `testdata/*.txt` holds `command / ---- / outcome`; UPDATE=1 writes the outcomes anew.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { JsonObject } from "@vnes/sdk";
import { openVpn, type Vpn } from "./vpn.ts";

const STORIES = new URL("testdata/", import.meta.url);

class Story {
  readonly vpn: Vpn;
  readonly #since: number;
  #moves = 0;
  #said = 0;

  constructor(setup: JsonObject) {
    this.vpn = openVpn(setup);
    this.#since = this.vpn.lab.now;
  }

  run(command: string): string {
    const [verb = "", ...args] = command.split(" ");
    const answer = this.#do(verb, args);
    this.vpn.check();
    return [...(answer === undefined ? [] : [answer]), ...this.#news()].join("\n") || "(nothing)";
  }

  #do(verb: string, args: readonly string[]): string | undefined {
    const { lab, network, client, gateway } = this.vpn;
    const [first = "", second = ""] = args;
    switch (verb) {
      case "wait":
        lab.advance(Number(first));
        return undefined;
      case "kill":
        assert.ok(second === "closed" || second === "blackhole");
        network.kill(first, second);
        return undefined;
      case "revive":
        network.revive(first);
        return undefined;
      case "deaf":
        lab.faults.deafNode = first === "nobody" ? null : first;
        return undefined;
      case "restart":
        (first === "client" ? client : gateway).restart(Number(second));
        return undefined;
      case "jump": {
        const answer = client.ask("vpn.client", "jump", first === "" ? {} : { pathId: first });
        return answer.ok ? `jumping: ${JSON.stringify(answer.value)}` : `${answer.code}: ${answer.message}`;
      }
      case "terminate": {
        const answer = gateway.ask("vpn.session", "terminate", { sessionId: String(this.vpn.sessionId()) });
        return answer.ok ? ((answer.value as JsonObject)["outcome"] as string) : answer.code;
      }
      default:
        return assert.fail(`no command ${verb}`);
    }
  }

  #news(): readonly string[] {
    const moves = this.vpn.moves().slice(this.#moves);
    this.#moves += moves.length;
    const said = this.vpn.client.published.slice(this.#said).map((one) => one.event);
    this.#said += said.length;
    const lines = [
      ...moves.map((move) => ({ at: Number(move["at"]), line: moveLine(move) })),
      ...said.map((event) => ({ at: Number(event["at"]), line: eventLine(event) })),
    ].sort((a, b) => a.at - b.at);
    return lines.map(({ at, line }) => `${String(at - this.#since).padStart(6)} ${line}`);
  }
}

function moveLine(move: JsonObject): string {
  const { from, to, version, epoch, bindings, trigger, reason, binding } = move;
  const path = binding === null ? "" : ` over ${(binding as JsonObject)["pathId"] as string}`;
  return `session ${from as string} -> ${to as string} v${version as number} e${epoch as number} bindings=${bindings as number} ${trigger as string} ${reason as string}${path}`;
}

function eventLine(event: JsonObject): string {
  const { pathId, fromPathId, version, epoch, reason } = event;
  const from = fromPathId === null || fromPathId === pathId ? "" : ` from ${fromPathId as string}`;
  const path = pathId === null ? "" : ` ${pathId as string}`;
  return `client  ${event["event"] as string}${path}${from} v${version as number} e${epoch as number} ${reason as string}`;
}

function play(text: string): string {
  const [head = "", ...entries] = text.trimEnd().split(/\n\n/);
  const setup = head.split("\n").findLast((line) => line.startsWith("{")) ?? "{}";
  const story = new Story(JSON.parse(setup) as JsonObject);
  const played = entries.map((entry) => {
    const command = entry.split("\n----")[0] ?? "";
    return `${command}\n----\n${story.run(command)}`;
  });
  return `${[head, ...played].join("\n\n")}\n`;
}

for (const name of readdirSync(STORIES).filter((file) => file.endsWith(".txt"))) {
  test(`the story ${name} is told as it was`, () => {
    const url = new URL(name, STORIES);
    const before = readFileSync(url, "utf8");
    const now = play(before);
    if (process.env["UPDATE"] === "1") writeFileSync(url, now);
    else assert.equal(now, before);
  });
}
