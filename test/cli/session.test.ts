/** A session as people see it: two real nodes, two paths through relays, one of which dies; and the incident run again without them. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ExecutionReceipt, Json, JsonObject } from "@vnes/schemas";
import { type Child, start } from "../demo/children.ts";
import { clientConfig, gatewayConfig } from "../demo/nodes.ts";
import { Home } from "./vnes.ts";

const RELAY = fileURLToPath(new URL("../demo/relay.ts", import.meta.url));
const PATIENCE_MS = 30_000;

interface Nodes extends AsyncDisposable {
  readonly home: Home;
  readonly gateway: readonly string[];
  readonly client: readonly string[];
  readonly session: string;
  readonly relays: Readonly<Record<string, Child>>;
  dirs(): readonly string[];
  stop(): Promise<void>;
}

/** Patient: on a busy machine nothing is taken for dead but what is. */
const PATIENT = {
  "vnes.vpn.transport": { keepaliveMs: 300, silentMs: 5_000 },
  "vnes.vpn.client": { policy: { openTimeoutMs: 5_000, answerMs: 2_000 } },
};

type Configs = Readonly<Record<string, Json>>;

function patient(configs: Configs): Configs {
  return Object.fromEntries(
    Object.entries(configs).map(([capsule, config]) => {
      const more = PATIENT[capsule as keyof typeof PATIENT] ?? {};
      return [capsule, { ...(config as JsonObject), ...more }];
    }),
  );
}

async function openNodes(): Promise<Nodes> {
  // Where something fails on the way, what runs already is ended: the file would wait for it.
  await using opened = new AsyncDisposableStack();
  const home = opened.use(new Home());
  const place = (name: string, config: Readonly<Record<string, Json>>, run: string): readonly string[] => {
    const file = join(home.dir, `${name}.json`);
    const data = join(home.dir, name);
    mkdirSync(data, { mode: 0o700 });
    writeFileSync(
      file,
      JSON.stringify({ schema_version: "v1", node: name, data_dir: data, capsules: { run: [run], config } }),
    );
    return ["--config", file];
  };
  // Nothing is forwarded: the session is what is looked at.
  const gateway = place("gateway", patient(gatewayConfig(9)), "vnes.vpn.gateway");
  const owner = await home.boot(...gateway);
  const { value } = await home.json<{
    value: { publicKey: string; listeners: readonly { pathId: string; kind: string; port: number }[] };
  }>("call", "vpn.transport", "status", ...gateway);
  const relays: Record<string, Child> = {};
  const paths: { pathId: string; kind: string; port: number }[] = [];
  for (const { kind, port } of [...value.listeners].sort((a, b) => (a.kind > b.kind ? -1 : 1))) {
    const args = [kind, "0", "127.0.0.1", String(port)];
    const relay = await start({ name: kind, file: RELAY, args, onDeath: () => {} });
    opened.defer(() => relay.end());
    relays[kind] = relay;
    paths.push({ pathId: kind, kind, port: (JSON.parse(relay.ready) as { port: number }).port });
  }
  const client = place("client", patient(clientConfig(value.publicKey, paths)), "vnes.vpn.client");
  const mirror = await home.boot(...client);
  let session = "";
  await until("attached", async () => {
    const { sessions } = await home.json<{ sessions: readonly { sessionId: string; state: string }[] }>(
      ...["session", "list"],
      ...client,
    );
    session = sessions[0]?.sessionId ?? "";
    return sessions[0]?.state === "ATTACHED";
  });
  const stop = async (): Promise<void> => {
    await mirror.kill("SIGTERM");
    await owner.kill("SIGTERM");
  };
  const all = opened.move();
  return {
    ...{ home, gateway, client, session, relays, stop },
    dirs: () => ["gateway", "client"].map((name) => join(home.dir, name)),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + PATIENCE_MS; !(await isSo()); await pause(100))
    assert.ok(Date.now() < giveUpAt, `not ${what}`);
}

interface Replayed {
  readonly turns: number;
  readonly recordedHash: string;
  readonly replayedHash: string;
  readonly difference: { readonly seq: number; readonly what: string } | null;
}

test("a session is explained, followed, moved and ended; its incident runs again without the nodes, and only as it was", async () => {
  await using nodes = await openNodes();
  const { home, gateway, client, session, relays } = nodes;
  const run = (...args: readonly string[]) => home.run("session", ...args);

  const here = await run("explain", session, ...client);
  assert.equal(here.code, 0, here.err);
  assert.match(here.out, new RegExp(`^Session ${session} is attached \\(steady, ATTACHED\\), since `));
  assert.match(here.out, /Path udp carries it, since .*\n.* put it before tcp by priority: 10 against 20\./);
  assert.match(here.out, /If it has to leave, it goes first to tcp/);
  const there = await run("explain", session, ...gateway);
  assert.match(there.out, /is attached \(ATTACHED\).*\n.*its first transport was bound \(ATTACHED_FIRST/);
  assert.match(there.out, /Whatever happens, it ends .*policy\.sessionTtlMs/);

  const watch = home.follow("session", "watch", session, ...client, "-o", "json");
  const all = home.follow("session", "watch", ...gateway);
  await pause(1_000);

  const elsewhere = await run("jump", session, ...gateway);
  assert.deepEqual(
    [elsewhere.code, /SESSION_JUMP_ELSEWHERE[\s\S]*On the client's node/.test(elsewhere.err)],
    [2, true],
  );
  const jumped = await run("jump", session, "tcp", ...client);
  assert.equal(jumped.code, 0, jumped.err);
  assert.match(jumped.out, /jumped udp -> tcp in \d+ ms: version \d+, epoch 2/);
  const unknown = await run("jump", session, "mars", ...client);
  assert.deepEqual([unknown.code, /SESSION_JUMP_PATH_UNKNOWN.*mars/.test(unknown.err)], [3, true]);
  assert.equal((await run("jump", "ses_00000000000000000000", ...client)).code, 3);

  // The path that carries it dies; nobody is told.
  await relays["tcp"]?.end();
  const lists = async (): Promise<JsonObject> => {
    const { sessions } = await home.json<{ sessions: readonly JsonObject[] }>("session", "list", ...gateway);
    return sessions[0] ?? {};
  };
  await until(
    "back on udp",
    async () => (await lists())["epoch"] === 3 && (await lists())["state"] === "ATTACHED",
  );

  const owned = await run("history", session, ...gateway);
  const story = ["new -> BIRTH", "BIRTH -> ATTACHED", "ATTACHED -> ATTACHED", "-> ATTACHED"];
  assert.match(owned.out, new RegExp(story.map((part) => `${part}.*`).join("[\\s\\S]*")), owned.out);
  // Where each transition led, not where whoever asked for it came from.
  const epochs = owned.out.split("\n").flatMap((line) => {
    const [, reason, epoch] =
      / (CREATED|ATTACHED_FIRST|REATTACHED) .* epoch=(\d+) version=\d+/.exec(line) ?? [];
    return reason === undefined ? [] : [`${reason} ${epoch}`];
  });
  assert.deepEqual(epochs, ["CREATED 0", "ATTACHED_FIRST 1", "REATTACHED 2", "REATTACHED 3"], owned.out);
  assert.doesNotMatch(owned.out, /CALL_CAPABILITY_UNAVAILABLE/, "nobody was asked for a policy");
  const mirrored = await run("history", session, ...client);
  assert.match(
    mirrored.out,
    /attached[\s\S]*switched[\s\S]*udp -> tcp[\s\S]*denied[\s\S]*PATH_UNKNOWN[\s\S]*switched[\s\S]*tcp -> udp/,
  );
  assert.equal((await run("history", session, "--limit", "1", ...client)).out.trim().split("\n").length, 1);
  assert.equal(
    (await run("history", session, "--since", "2099-01-01T00:00:00Z", ...client)).out,
    "no events\n",
  );
  assert.equal((await run("history", session, "--since", "soon", ...client)).code, 2);
  assert.match((await run("explain", session, ...client)).out, /jump to mars was refused .*PATH_UNKNOWN/);

  // Another's session, and a name that is no session's, are not here, on either side.
  for (const flags of [gateway, client]) {
    for (const name of ["ses_00000000000000000000", "nonsense"]) {
      for (const command of ["show", "explain", "terminate"]) {
        const { code, err } = await run(command, name, ...flags);
        assert.deepEqual(
          [code, err.startsWith("SESSION_NOT_FOUND ")],
          [3, true],
          `${command} ${name}: ${err}`,
        );
      }
    }
  }
  assert.match((await run("explain", ...client)).out, new RegExp(`^Session ${session} is attached`));
  assert.equal((await run("explain", ...gateway)).code, 2);
  const none = join(home.dir, "none.incident");
  const late = await run("export", session, "--out", none, "--since", "2099-01-01T00:00:00Z", ...client);
  assert.deepEqual(
    [late.code, late.err.startsWith("SESSION_NOTHING_SINCE "), existsSync(none)],
    [3, true, false],
  );

  const files = { gateway: join(home.dir, "gateway.incident"), client: join(home.dir, "client.incident") };
  for (const [name, flags] of Object.entries({ gateway, client })) {
    const { code, err, out } = await run("export", session, "--out", files[name as "gateway"], ...flags);
    assert.equal(code, 0, err);
    assert.match(out, /no secret key\nnext: vnes replay .*--file/);
  }

  assert.equal((await run("terminate", session, ...gateway)).code, 0);
  assert.equal((await run("terminate", session, ...gateway)).code, 0);
  const ended = await run("history", session, ...gateway);
  assert.match(ended.out, /-> TERMINATED/);
  assert.doesNotMatch(
    ended.out,
    /denied .*SESSION_TERMINATED/,
    "an end that is asked for again denies nothing",
  );
  assert.equal(await watch.ended(), 0);
  const events = watch
    .out()
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { event: { event: string } }).event.event);
  assert.ok(events.includes("switched") && events.at(-1) === "ended", events.join(" "));
  assert.equal(await all.interrupt(), 0);
  assert.match(all.out(), new RegExp(`${session}  ATTACHED -> TERMINATED .*OPERATOR_TERMINATED`));
  assert.match((await run("explain", session, ...gateway)).out, /has ended.*\(TERMINATED\)/);

  for (const flags of [gateway, client]) {
    const again = await run("terminate", session, ...flags);
    assert.deepEqual([again.code, again.out], [0, `${session} had ended already, for OPERATOR_TERMINATED\n`]);
  }

  // Another session follows it at the client, and the ended one can still be told and taken away.
  await home.json("call", "vpn.client", "renew", ...client);
  let following = "";
  await until("renewed", async () => {
    const { sessions } = await home.json<{ sessions: readonly { sessionId: string; state: string }[] }>(
      ...["session", "list"],
      ...client,
    );
    following = sessions[0]?.sessionId ?? "";
    return following !== session && sessions[0]?.state === "ATTACHED";
  });
  assert.match(
    (await run("explain", session, ...client)).out,
    /is not kept here any more; its events are\.\nIt ended .*OPERATOR_TERMINATED/,
  );
  const past = join(home.dir, "past.incident");
  const exported = await run("export", session, "--out", past, ...client);
  assert.equal(exported.code, 0, exported.err);
  const closed = await run("terminate", following, ...client);
  assert.match(closed.out, /has ended here; the gateway was told over path udp/);

  await nodes.stop();
  for (const dir of nodes.dirs()) rmSync(dir, { recursive: true });

  for (const file of [...Object.values(files), past]) {
    const again = await home.json<Replayed>("replay", "--file", file);
    assert.deepEqual([again.difference, again.recordedHash], [null, again.replayedHash]);
    assert.ok(again.turns >= 5, `${again.turns}`);
  }
  const bytes = readFileSync(files.gateway);
  for (const place of [40, bytes.length >> 1, bytes.length - 40]) {
    const flipped = Buffer.from(bytes);
    flipped[place] = (flipped[place] as number) ^ 1;
    writeFileSync(join(home.dir, "flipped"), flipped);
    const refused = await home.run("replay", "--file", join(home.dir, "flipped"));
    assert.deepEqual([refused.code, /EXECUTION_RECEIPT_\w+/.test(refused.err)], [5, true], refused.err);
  }
  const receipt = JSON.parse(bytes.toString("utf8")) as ExecutionReceipt;
  const other = join(home.dir, "other");
  for (const { path, bytes: text = "" } of receipt.builds[0]?.files ?? []) {
    const file = join(other, path);
    mkdirSync(dirname(file), { recursive: true });
    const plain = Buffer.from(text, "base64");
    writeFileSync(
      file,
      path === "impl/main.js" ? plain.toString("utf8").replaceAll('"REATTACHED"', '"REBOUND"') : plain,
    );
  }
  const differs = await home.run("replay", "--file", files.gateway, "--against", other, "-o", "json");
  assert.equal(differs.code, 1, differs.err);
  const { difference } = JSON.parse(differs.out) as Replayed;
  const first = receipt.records.find(({ bytes: record }) => record.includes('"reason":"REATTACHED"'));
  assert.equal(difference?.seq, first?.seq);
  assert.match(difference?.what ?? "", /^write ses\//);
});
