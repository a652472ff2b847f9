/** One flipped bit in a file of a real server: named, or every record is as it was. Never a record less or another one. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isVnesError } from "@vnes/schemas";
import { record, texts } from "../../../contracts/ledger-store.ts";
import { startNatsServers } from "./nats-servers.ts";
import { closeConnections, freshNamespace, openNode } from "./opened.ts";

const RECORDS = 40;
/** Places of the file of messages that are flipped: in the claim, all along, and in what the owner said when it let go. */
const FLIPS = 8;
const MARGIN = 100;

const root = mkdtempSync(join(tmpdir(), "vnes-flip-"));
const storeDir = join(root, "store");
const whole = join(root, "whole");
const servers = await startNatsServers({ storeDir });
after(async () => {
  await closeConnections();
  await servers[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const namespace = freshNamespace();
const layout = { groups: 1, owns: ["g0"], groupOf: () => "g0" };
const written = Array.from({ length: RECORDS }, (_, index) => `record ${index + 1} ${"x".repeat(100)}`);

test("every flip is named with the stream, or nothing is lost by it (J7)", async () => {
  const node = await openNode(servers.urls, namespace, "a", layout);
  for (const [seq, text] of written.entries()) await node.store.append("a/0", seq, [record(text)]);
  await node.close();
  await servers.stop();
  cpSync(storeDir, whole, { recursive: true });
  const blocks = readdirSync(whole, { recursive: true, encoding: "utf8" }).filter(
    (path) => path.includes("LEDGER_g0") && path.endsWith(".blk"),
  );
  assert.equal(blocks.length, 1);
  const [block = ""] = blocks;
  const bytes = readFileSync(join(whole, block));
  let named = 0;
  for (let flip = 0; flip < FLIPS; flip++) {
    rmSync(storeDir, { recursive: true });
    cpSync(whole, storeDir, { recursive: true });
    const at = MARGIN + Math.floor((flip * (bytes.length - 2 * MARGIN)) / (FLIPS - 1));
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ (1 << (flip % 8));
    writeFileSync(join(storeDir, block), damaged);
    await servers.start();
    const found = await readBack();
    if (typeof found === "string") {
      named++;
      assert.match(found, /^LEDGER_FILE_CORRUPT .*_LEDGER_g0 is damaged/);
    } else assert.deepEqual(found, written, `byte ${at}`);
    await servers.stop();
  }
  assert.ok(named > FLIPS / 2, `${named} of ${FLIPS} were named`);
});

async function readBack(): Promise<string | readonly string[]> {
  try {
    const node = await openNode(servers.urls, namespace, "a", layout);
    try {
      return await texts(node.store, "a/0");
    } finally {
      await node.close();
    }
  } catch (error) {
    assert.ok(isVnesError(error), String(error));
    return `${error.code} ${error.message}`;
  }
}
