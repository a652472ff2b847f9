/** Everything `vnes session` says no with, reached by typing it at two real nodes. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json, JsonObject } from "@vnes/schemas";
import { clientConfig, gatewayConfig } from "../demo/nodes.ts";
import { Home } from "./vnes.ts";

const PATIENCE_MS = 30_000;
/** Longer than three commands take on a busy machine: an attempt that is to be under way still is. */
const OPEN_TIMEOUT_MS = 15_000;
/** Nobody listens at the port `discard`; over UDP that is silence, over TCP a refusal. */
const NOWHERE = 9;
const STRANGER = "ses_nope";

test("every refusal of vnes session is a code, what happened and the next command, and nothing is told twice or falsely", async () => {
  await using home = new Home();
  const place = (name: string, run: string, config: Readonly<Record<string, Json>>): readonly string[] => {
    const [file, data] = [join(home.dir, `${name}.json`), join(home.dir, name)];
    mkdirSync(data, { mode: 0o700 });
    const settings = { schema_version: "v1", node: name, data_dir: data, capsules: { run: [run], config } };
    writeFileSync(file, JSON.stringify(settings));
    return ["--config", file];
  };
  const gateway = place("gateway", "vnes.vpn.gateway", gatewayConfig(NOWHERE));
  await home.boot(...gateway);
  const { value } = await home.json<{
    value: { publicKey: string; listeners: readonly { pathId: string; kind: string; port: number }[] };
  }>("call", "vpn.transport", "status", ...gateway);
  const config = clientConfig(value.publicKey, [
    ...value.listeners,
    { pathId: "deaf", kind: "udp", port: NOWHERE },
    { pathId: "shut", kind: "tcp", port: NOWHERE },
  ]);
  const settings = config["vnes.vpn.client"] as JsonObject;
  const policy = { cooldownMs: 600_000, probeMs: 0, openTimeoutMs: OPEN_TIMEOUT_MS };
  const transport = {
    ...(config["vnes.vpn.transport"] as JsonObject),
    ...{ silentMs: 5_000, openTimeoutMs: OPEN_TIMEOUT_MS },
  };
  const client = place("client", "vnes.vpn.client", {
    "vnes.vpn.transport": transport,
    "vnes.vpn.client": { ...settings, policy },
  });
  await home.boot(...client);
  const until = async (what: string, isSo: (status: JsonObject) => boolean): Promise<JsonObject> => {
    for (const giveUpAt = Date.now() + PATIENCE_MS; ; await pause(200)) {
      const answer = await home.json<{ value: JsonObject }>("call", "vpn.client", "status", ...client);
      if (isSo(answer.value)) return answer.value;
      assert.ok(Date.now() < giveUpAt, `not ${what}: ${JSON.stringify(answer.value)}`);
    }
  };
  const isFree = ({ mode, attempt }: JsonObject): boolean => mode === "steady" && attempt === null;
  const { session: mirror } = await until("attached", isFree);
  const session = (mirror as JsonObject)["id"] as string;
  const says = async (
    args: readonly string[],
    node: readonly string[],
    code: number,
    words: RegExp,
  ): Promise<void> => {
    const ran = await home.run("session", ...args, ...node);
    const shown = `$ vnes session ${args.join(" ")}\n${ran.out}${ran.err}`;
    assert.equal(ran.code, code, shown);
    assert.match(code === 0 ? ran.out : ran.err, words, shown);
    if (code !== 0) assert.match(ran.err, /\nnext: \S/, shown);
  };

  await says(["jump", session, "shut"], client, 1, /SESSION_JUMP_FAILED .* to shut: TRANSPORT_OPEN_REFUSED/);
  await until("free again", isFree);
  await says(["jump", session, "deaf", "--timeout", "1"], client, 6, /SESSION_JUMP_TIMEOUT .* after 1000 ms/);
  const held = /SESSION_JUMP_REFUSED .* stays where it is: one over deaf is under way \(NOT_STEADY\)\./;
  await says(["jump", session, "tcp"], client, 7, held);
  await until("free again", isFree);
  await says(["jump", session, "tcp"], client, 0, /jumped udp -> tcp/);
  const cooling = /SESSION_JUMP_REFUSED .* too recent .*\(COOLDOWN; allowed in \d+ ms\)\./;
  await says(["jump", session, "udp"], client, 7, cooling);
  await says(["jump", session, "mars"], client, 3, /SESSION_JUMP_PATH_UNKNOWN .*mars/);
  await says(["jump", session, "udp", "--timeout", "0"], client, 2, /CLI_USAGE .*1 to 120/);
  await says(["jump", session, "udp"], gateway, 2, /SESSION_JUMP_ELSEWHERE[\s\S]*vnes session jump \S+ udp/);
  await says(
    ["explain", session],
    client,
    0,
    /It left udp because a person asked for another path \(JUMP_ASKED\)/,
  );

  // What show, explain and terminate say of them is in session.test.ts.
  const unknown = new RegExp(`SESSION_NOT_FOUND .*${STRANGER}`);
  await says(["jump", STRANGER], client, 3, unknown);
  await says(["history", STRANGER], client, 3, unknown);
  await says(["watch", STRANGER], gateway, 3, unknown);
  await says(["jump", STRANGER], gateway, 3, unknown);
  await says(["export", STRANGER, "--out", join(home.dir, "incident")], gateway, 3, unknown);

  await says(["terminate", session], client, 0, /has ended here; the gateway was told/);
  await until("ended", ({ mode }) => mode === "ended");
  for (const node of [client, gateway]) {
    await says(["terminate", session], node, 0, /had ended already, for CLIENT_CLOSED/);
    await says(["jump", session, "udp"], node, 7, /SESSION_ENDED .*CLIENT_CLOSED[\s\S]*vpn\.client renew/);
    const { out } = await home.run("session", "explain", session, ...node);
    assert.match(out, /has ended.*\n.*it was closed on the client's node \(CLIENT_CLOSED/);
    assert.doesNotMatch(out, /A person's jump to udp was refused .*NOT_STEADY/);
  }
});
