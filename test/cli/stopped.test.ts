/** Turns that were stopped for their time, their memory or the death of their host, and what a replay says of them. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { ASKED, subscriber } from "./counter.ts";
import { Home } from "./vnes.ts";

const SOURCE = `
import { capsule } from "@vnes/sdk";
const kept: unknown[] = [];
export default capsule({
  calls: { "acme.counter.add": (turn) => (turn.keys.get("count") as number | undefined) ?? 0 },
  events: {
    "${ASKED}": (turn, event) => {
      const { how } = event as { how: string };
      turn.keys.set("count", ((turn.keys.get("count") as number | undefined) ?? 0) + 1);
      if (how === "loops") for (;;);
      if (how === "hoards") for (;;) kept.push(new Array(100_000).fill(kept.length));
      if (how === "throws") throw new Error("no more");
    },
  },
});
`;

test("a replay runs what the capsule brought about, and says by their codes which turns it takes as recorded (R2)", async () => {
  await using home = new Home();
  const dir = await subscriber(home, SOURCE);
  await home.boot("--capsules", dir, "--unconfined-dev");
  for (const how of ["loops", "throws", "hoards", "ends", "loops"])
    await home.json("topic", "publish", ASKED, JSON.stringify({ how }));
  const failed = async (): Promise<number | undefined> => {
    const { capsules } = await home.json<{ capsules: { id: string; failedTurns: number }[] }>(
      "capsule",
      "list",
    );
    return capsules.find(({ id }) => id === "acme.counter")?.failedTurns;
  };
  while ((await failed()) !== 4) await sleep(100);
  // What was stopped wrote nothing.
  assert.equal((await home.json<{ value: number }>("call", "acme.counter", "add", "{}")).value, 1);
  const { code, out } = await home.run("replay", "acme.counter");
  assert.equal(code, 0, out);
  assert.match(out, /^turns +3 run again, 3 taken as recorded$/m);
  const { takenAs } = await home.json<{ takenAs: { [code: string]: number } }>("replay", "acme.counter");
  // On a machine that is busy enough, hoarding meets the deadline first.
  const { TURN_DEADLINE: deadlines = 0, TURN_MEMORY: memory = 0 } = takenAs;
  assert.equal(deadlines + memory, 3);
  assert.ok(deadlines >= 2, JSON.stringify(takenAs));
  const said = Object.entries(takenAs).map(([ended, times]) => `${times} ${ended}`);
  assert.match(out, new RegExp(`^taken +${said.join(", ")}: ended by the kernel, not run$`, "m"));
});
