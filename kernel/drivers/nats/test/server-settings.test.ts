/** Servers with settings of their own: small messages, a login, an operator with credentials. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nkeys } from "@nats-io/transport-node";
import { type BusOptions, openBus, openNatsLedgerStore } from "@vnes/driver-nats";
import type { NewRecord } from "@vnes/kernel";
import { isVnesError } from "@vnes/schemas";
import { record, texts } from "../../../contracts/ledger-store.ts";
import { startNatsServers } from "./nats-servers.ts";
import { closeConnections, freshNamespace, openNode } from "./opened.ts";

const { createAccount, createOperator, createUser } = nkeys;
type KeyPair = ReturnType<typeof createUser>;

const root = mkdtempSync(join(tmpdir(), "vnes-login-"));
after(async () => {
  await closeConnections();
  rmSync(root, { recursive: true, force: true });
});

function secret(name: string, text: string): string {
  const path = join(root, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** An append that is read back says that the login may do all a ledger does. */
async function keepsALedger(options: Omit<BusOptions, "node">): Promise<void> {
  await using bus = await openBus({ ...options, node: "a" });
  const identity = { namespace: freshNamespace(), node: "a", instance: "i", groups: 1 };
  await using store = await openNatsLedgerStore({ bus, ...identity, groupOf: () => "g0", owns: ["g0"] });
  assert.equal(await store.append("a/0", 0, [record("1")]), 1);
  assert.deepEqual(await texts(store, "a/0"), ["1"]);
}

async function isRefused(
  options: Omit<BusOptions, "node">,
  hidden: string,
  code = "BUS_REFUSED",
): Promise<void> {
  await assert.rejects(openBus({ ...options, node: "a" }), (error: unknown) => {
    assert.ok(isVnesError(error), String(error));
    assert.equal(error.code, code);
    assert.ok(!JSON.stringify(error).includes(hidden) && !error.message.includes(hidden));
    return true;
  });
}

test("a server that takes less than 16 KB in a message is refused by name", async () => {
  await using servers = await startNatsServers({ extra: "max_payload: 16383" });
  await assert.rejects(openBus({ servers: servers.urls, node: "a" }), {
    code: "BUS_PAYLOAD_TOO_SMALL",
    message: /16383 bytes at most; 16384 is the least/,
  });
});

for (const [size, bytes] of [
  ["16 KB", 16_384],
  ["64 KB", 65_536],
] as const)
  test(`messages of ${size} at most: larger records and chunks are cut, and read back whole`, async () => {
    await using servers = await startNatsServers({ extra: `max_payload: ${bytes}` });
    const namespace = freshNamespace();
    let node = await openNode(servers.urls, namespace, "a");
    const large = Uint8Array.from({ length: 700_000 }, (_, index) => index % 251);
    const hash = new Uint8Array(32).fill(7);
    assert.equal(await node.store.append("a/0", 0, [record("1"), { bytes: large, hash }]), 2);
    await node.store.putChunk("a/0", "chunk", large.subarray(0, 200_000));
    await node.close();
    node = await openNode(servers.urls, namespace, "a");
    const [, second] = await node.store.read("a/0", 1, 10);
    assert.deepEqual(Buffer.from(second?.bytes ?? []), Buffer.from(large));
    const chunk = await node.store.readChunk("a/0", "chunk");
    assert.deepEqual(Buffer.from(chunk ?? []), Buffer.from(large.subarray(0, 200_000)));
    await node.close();
  });

test("a server that comes back with smaller messages: what waits is cut for it, and what was cut before is named until it takes it", async () => {
  await using servers = await startNatsServers();
  const node = await openNode(servers.urls, freshNamespace(), "a");
  const large = (text: string): NewRecord => record(text.repeat(200_000));
  assert.equal(await node.store.append("a/0", 0, [large("1")]), 1);
  await servers.stop();
  await servers.start(0, "max_payload: 65536");
  for (let waited = 0; waited < 5_000 && node.bus.connection.info?.max_payload !== 65_536; waited += 20)
    await sleep(20);
  assert.equal(await node.store.append("a/0", 1, [large("2")]), 2);
  await node.store.putChunk("a/0", "chunk", Buffer.alloc(200_000, 7));
  await servers.stop();
  await servers.start(0, "max_payload: 262144");
  for (let waited = 0; waited < 5_000 && node.bus.connection.info?.max_payload !== 262_144; waited += 20)
    await sleep(20);
  // On its way before anybody knows what the server that comes back will take.
  await servers.stop();
  const waiting = node.store.append("a/0", 2, [large("3")]).catch((error: unknown) => error);
  await servers.start(0, "max_payload: 65536");
  const refused = await waiting;
  assert.ok(isVnesError(refused), String(refused));
  assert.equal(refused.code, "LEDGER_UNREACHABLE");
  assert.match(
    refused.message,
    /max_payload size exceeded: 200\d\d\d bytes wait, and the server takes 65536/,
  );
  await servers.stop();
  await servers.start(0, "max_payload: 1048576");
  assert.equal(await node.store.append("a/0", 2, [large("3")]), 3);
  assert.deepEqual(
    (await texts(node.store, "a/0")).map((text) => text.slice(0, 1) + String(text.length)),
    ["1200000", "2200000", "3200000"],
  );
  await node.close();
});

test("a user and a password from a file; a wrong one is refused and not repeated", async () => {
  await using servers = await startNatsServers({ extra: 'authorization { user: "me", password: "hush-1" }' });
  await keepsALedger({ servers: servers.urls, login: secret("login", "me\nhush-1\n") });
  await isRefused({ servers: servers.urls, login: secret("wrong", "me\nhush-2\n") }, "hush-2");
  await isRefused({ servers: servers.urls }, "hush");
});

test("a file that holds no secret is named before any server is asked, and nothing of it is repeated", async () => {
  const unusable = (files: Pick<BusOptions, "login" | "credentials">): Promise<void> =>
    isRefused({ servers: ["nats://127.0.0.1:1"], ...files }, "hush", "BUS_SECRET_UNUSABLE");
  await unusable({ login: join(root, "nowhere") });
  await unusable({ login: root });
  await unusable({ login: secret("half", "hush-user\n") });
  await unusable({ login: secret("empty", "") });
  await unusable({ credentials: secret("login.creds", "me\nhush-1\n") });
  await unusable({ credentials: join(root, "nowhere") });
});

test("credentials of an operator's account; those of another operator are refused", async () => {
  const operator = createOperator();
  const [system, account, user] = [createAccount(), createAccount(), createUser()];
  const tokens = [
    token(operator, operator, "operator", { system_account: system.getPublicKey() }),
    token(operator, system, "account", { limits: LIMITS }),
    token(operator, account, "account", { limits: { ...LIMITS, ...STREAMS } }),
  ];
  const [ofOperator, ofSystem, ofAccount] = tokens;
  const extra = `operator: ${ofOperator}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload { ${system.getPublicKey()}: ${ofSystem}, ${account.getPublicKey()}: ${ofAccount} }`;
  await using servers = await startNatsServers({ extra });
  const good = secret("good.creds", credentials(token(account, user, "user", USER), user));
  await keepsALedger({ servers: servers.urls, credentials: good });
  const [stranger, other] = [createAccount(), createUser()];
  const seed = new TextDecoder().decode(other.getSeed());
  const bad = secret("bad.creds", credentials(token(stranger, other, "user", USER), other));
  await isRefused({ servers: servers.urls, credentials: bad }, seed);
});

/** -1: as much as there is. */
const LIMITS = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
};
const STREAMS = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
const USER = { subs: -1, data: -1, payload: -1 };

/** A JWT as github.com/nats-io/jwt version 2 has it. */
function token(issuer: KeyPair, subject: KeyPair, type: string, rest: object): string {
  const coded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const nats = { ...rest, type, version: 2 };
  const claims = { jti: "test", iat: 1, iss: issuer.getPublicKey(), name: type, sub: subject.getPublicKey() };
  const text = `${coded({ typ: "JWT", alg: "ed25519-nkey" })}.${coded({ ...claims, nats })}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
}

function credentials(jwt: string, user: KeyPair): string {
  const seed = new TextDecoder().decode(user.getSeed());
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
}
