/** In what lines results leave the process: one that is short the kernel reads at once, a long one much more slowly. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { spawnHost } from "@vnes/driver-host";
import type { TurnResult } from "@vnes/schemas";
import { callOf } from "../../../contracts/sandbox-lab.ts";
import type { ToHost } from "../../sandbox/src/messages.ts";
import { AT_ONCE_BYTES } from "../../sandbox/src/parse-results.ts";
import { isolateExecutor } from "../src/index.ts";
import { bundleSource, specOf } from "./bundle.ts";

/** As the kernel gives them ahead, of results as long as a session's. */
const TURNS = 32;
const RESULT_CHARS = 2_000;

test("a batch whose results are long together leaves in lines that are read at once", async () => {
  const bundle = await bundleSource(
    `import { capsule } from "@vnes/sdk"; export default capsule({ calls: { "t.say": (turn, n) => "x".repeat(n) } });`,
  );
  const answered = Promise.withResolvers<string>();
  const host = await spawnHost({
    name: "lines",
    program: isolateExecutor.program(),
    onMessage(message, text) {
      if ((message as { readonly did: string }).did === "deliver") answered.resolve(text.toString());
    },
    onDeath: ({ reason }) => answered.reject(new Error(reason)),
  });
  await using ending = new AsyncDisposableStack();
  ending.defer(() => host.kill());
  const tell = (message: ToHost, text: string): void => host.send(message, text);
  const { instance, entry, limits } = specOf(bundle);
  const requests = Array.from({ length: TURNS }, () => callOf("say", RESULT_CHARS));
  const turns = requests.map(({ turn }) => turn);
  tell({ do: "open", id: 0, instance, entry, limits }, bundle);
  tell({ do: "deliver", id: 0, batch: 0, stops: 0, turns }, JSON.stringify(requests));
  const text = await answered.promise;
  const lines = text.split("\n");
  assert.ok(text.length > 2 * AT_ONCE_BYTES, `${text.length}`);
  for (const line of lines) assert.ok(line.length <= AT_ONCE_BYTES, `a line of ${line.length}`);
  const told = lines.flatMap((line) => JSON.parse(line) as TurnResult[]).map(({ turn }) => turn);
  assert.deepEqual(told, turns);
});
