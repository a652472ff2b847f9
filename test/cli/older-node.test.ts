/** Commands of this program at a node that runs an older one: its answers are those recorded on 2026-11-21. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { Home } from "./vnes.ts";

const RECORDED = new URL("../../schemas/test/testdata/control-answers-2026-11-21.jsonl", import.meta.url);
const answers = new Map<string, unknown>();
for (const line of readFileSync(RECORDED, "utf8").trim().split("\n")) {
  const { method, result } = JSON.parse(line) as { readonly method: string; readonly result: unknown };
  answers.set(method, result);
}
// The topic that was recorded had no subscriber; this is how one was shown then.
const PLACE = { capsule: "acme.reader", shard: "acme.reader/0", partition: 0, position: 1, buffer: 64 };
const COUNTS = { lag: 0, delivered: 1, shed: 0, merged: 0, retried: 0, deadLetters: 0 };
const place = { ...PLACE, policy: "block", ratePerS: null, batch: null, ...COUNTS };
answers.set("topic.show", { ...(answers.get("topic.show") as object), places: [place] });

const home = new Home();
const controlSocket = join(home.dir, "data", "nodes", "local", "control.sock");
mkdirSync(dirname(controlSocket), { recursive: true });
const node = createServer((socket) => {
  createInterface(socket).on("line", (line) => {
    const { id, method } = JSON.parse(line) as { readonly id: number; readonly method: string };
    socket.write(`${JSON.stringify({ id, result: answers.get(method) })}\n`);
  });
  socket.on("error", () => undefined);
});
await new Promise<void>((listening) => node.listen(controlSocket, listening));
after(async () => {
  node.close();
  await home[Symbol.asyncDispose]();
});

const COMMANDS: { readonly [command: string]: RegExp } = {
  status: /acme\.greeter/,
  doctor: /node +ok +running/,
  "capsule list": /acme\.greeter/,
  "capsule inspect acme.greeter": /limits/,
  "state list acme.greeter": /greeted\/Ada/,
  "state branch list": /b1/,
  "state branch call b1 acme.greeter greet {}": /b1 stands at record/,
  "topic list": /acme\.greeter\.greeted\.v1/,
  "topic show acme.greeter.greeted.v1":
    /^events +0: up to 1; 1 written$.*^acme\.reader\/0 .* block .* - +0 +0$/ms,
};

for (const [command, says] of Object.entries(COMMANDS)) {
  test(`vnes ${command} reads what an older node answers`, async () => {
    const { out, err } = await home.run(...command.split(" "));
    assert.match(out, says, err);
    assert.doesNotMatch(out + err, /CONTROL_FRAME_INVALID|INTERNAL|undefined/);
  });
}
