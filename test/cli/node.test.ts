/** One real node and what a person, a careless program and a second node do to it. */
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { checkControlResponse, checkControlResult } from "@vnes/schemas";
import { type Booted, Home } from "./vnes.ts";

let home: Home;
let node: Booted;

before(async () => {
  home = new Home();
  node = await home.boot();
});
after(async () => {
  await home[Symbol.asyncDispose]();
});

/** Sends raw bytes and collects response lines until `count` came or the node closed. */
async function raw(
  bytes: string | Uint8Array,
  count: number,
): Promise<{ id: unknown; error?: { code: string } }[]> {
  const socket = connect({ path: node.ready.controlSocket });
  let text = "";
  await new Promise<void>((done, fail) => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.split("\n").length > count) done();
    });
    socket.on("close", () => done());
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "EPIPE" || error.code === "ECONNRESET" ? done() : fail(error),
    );
    socket.write(bytes);
  });
  socket.destroy();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const frame = JSON.parse(line) as { id: unknown };
      assert.equal(checkControlResponse(frame), undefined, line);
      return frame;
    });
}

test("every built-in capsule is active, and the socket is its user's alone", async () => {
  const status = await home.json<{
    schema: string;
    state: string;
    capsules: { id: string; state: string }[];
  }>("status");
  assert.equal(status.schema, "vnes.status.v1");
  assert.equal(status.state, "running");
  assert.deepEqual([...new Set(status.capsules.map(({ state }) => state))], ["active"]);
  assert.equal(status.capsules.length, node.ready.active);
  assert.equal(checkControlResult("status", status), undefined);
  assert.equal(statSync(node.ready.controlSocket).mode & 0o777, 0o600);
  assert.equal(statSync(node.ready.dataDir).mode & 0o077, 0);
});

test("a second node on the same directory is refused by name", async () => {
  const { code, err } = await home.run("boot");
  assert.equal(code, 7, err);
  assert.match(err, /^NODE_ALREADY_RUNNING /m);
  assert.match(err, /^next: vnes status/m);
});

test("garbage, unknown methods and wrong params are each answered with their code", async () => {
  const frames = [
    "not json",
    "[1]",
    '{"id":1,"method":"status","extra":1}',
    '{"id":2,"method":"nosuch"}',
    '{"id":3,"method":"inspect"}',
    '{"id":4,"method":"inspect","params":{"capsule":"no.such"}}',
    '{"id":5,"method":"call","params":{"capability":"a","method":"b","timeout_ms":0}}',
  ];
  const answers = await raw(`${frames.join("\n")}\n`, frames.length);
  const codes = new Map(answers.map(({ id, error }) => [String(id), error?.code]));
  assert.equal(answers.filter(({ id }) => id === null).length, 2);
  assert.equal(codes.get("1"), "CONTROL_FRAME_INVALID");
  assert.equal(codes.get("2"), "CONTROL_METHOD_UNKNOWN");
  assert.equal(codes.get("3"), "CONTROL_FRAME_INVALID");
  assert.equal(codes.get("4"), "CAPSULE_UNKNOWN");
  assert.equal(codes.get("5"), "CONTROL_FRAME_INVALID");
});

test("a line without end is refused, and the node serves the others", async () => {
  const [answer] = await raw(Buffer.alloc(3 * 1024 * 1024, 0x61), 1);
  assert.equal(answer?.error?.code, "CONTROL_FRAME_TOO_LARGE");
  assert.equal((await home.run("status")).code, 0);
});

test("requests beyond the bound are refused one by one, and none is left without an answer", async () => {
  const count = 1100;
  const lines = Array.from(
    { length: count },
    (_, id) => `{"id":${id},"method":"call","params":{"capability":"observability","method":"summary"}}`,
  );
  const answers = await raw(`${lines.join("\n")}\n`, count);
  assert.equal(new Set(answers.map(({ id }) => id)).size, count);
  const refused = answers.filter(({ error }) => error?.code === "CONTROL_TOO_MANY_IN_FLIGHT").length;
  assert.ok(refused > 0 && refused < count, `${refused} refused`);
});

test("a capsule is inspected, suspended and resumed; an unknown one is exit 3", async () => {
  const found = await home.json<{ schema: string }>("capsule", "inspect", "vnes.core.observability");
  assert.equal(found.schema, "vnes.capsule.inspect.v1");
  const suspended = await home.json<{ capsule: { state: string } }>(
    "capsule",
    "suspend",
    "vnes.core.observability",
  );
  assert.equal(suspended.capsule.state, "suspended");
  const resumed = await home.json<{ capsule: { state: string } }>(
    "capsule",
    "resume",
    "vnes.core.observability",
  );
  assert.equal(resumed.capsule.state, "active");
  const { code, err } = await home.run("capsule", "inspect", "no.such");
  assert.equal(code, 3, err);
});

test("sessions: none yet, and an unknown one is exit 3", async () => {
  const { out, code } = await home.run("session", "list");
  assert.deepEqual([code, out], [0, "no sessions\n"]);
  const shown = await home.run("session", "show", "ses_00000000000000000000");
  assert.equal(shown.code, 3, shown.err);
  assert.match(shown.err, /^SESSION_NOT_FOUND /m);
});

test("a refused call keeps its code and exit", async () => {
  const { code, err } = await home.run("call", "no.such", "method");
  assert.equal(code, 3, err);
  assert.match(err, /^CALL_CAPABILITY_UNAVAILABLE /m);
});

test("killed, its socket is left behind and replaced at the next boot; asked to stop, it leaves none", async () => {
  await node.kill("SIGKILL");
  assert.ok(existsSync(node.ready.controlSocket));
  const gone = await home.run("status");
  assert.equal(gone.code, 3);
  assert.match(gone.err, /^NODE_NOT_RUNNING /m);
  node = await home.boot();
  assert.equal((await home.run("status")).code, 0);
  assert.equal(await node.kill("SIGTERM"), 0);
  assert.equal(existsSync(node.ready.controlSocket), false);
});
