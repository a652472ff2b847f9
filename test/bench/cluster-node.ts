/** One of the two nodes of the benchmark of durable calls, in a process of its own: `asker` on east, `provider` on west. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { natsMessenger, openBus, openNatsLedgerStore } from "@vnes/driver-nats";
import { openSqliteLedgerStore } from "@vnes/driver-sqlite";
import { ledgerGroupOf, type LedgerStore, ownerTable, ownGroups, sharedGroups } from "@vnes/kernel";
import { capsule, later, type Turn } from "@vnes/sdk";
import { cryptoRandom } from "../../cli/src/node/crypto-random.ts";
import { SystemClock } from "../../cli/src/node/system-clock.ts";
import { bootTestNode, manifestOf, type TestCapsule } from "../../kernel/test/harness/node-harness.ts";

const GROUPS = 16;
const anything = { type: "object" };
const INPUT = { p: "a".repeat(256) };

interface Run {
  readonly callId: string;
  readonly left: number;
  readonly open: number;
}

/** Keeps so many calls in flight until all are answered. */
const asker: TestCapsule = {
  manifest: manifestOf("test.asker", {
    capabilities: { provides: ["test.asker"], requires: ["test.provider"] },
    state: { owns: ["run"] },
  }),
  spec: { "spec/schema.json": { $defs: { "test.asker.go.input": anything } } },
  bundle: () => {
    const ask = (turn: Turn): void =>
      turn.call({ capability: "test.provider", method: "echo", input: INPUT, tag: "a", timeoutMs: 60_000 });
    return capsule({
      calls: {
        "test.asker.go": (turn, input, { callId }) => {
          const { count, inFlight } = input as { count: number; inFlight: number };
          turn.keys.set("run", { callId, left: count - inFlight, open: inFlight });
          for (let n = 0; n < inFlight; n++) ask(turn);
          return later;
        },
      },
      answers: {
        a: (turn) => {
          const { callId, left, open } = turn.keys.get("run") as unknown as Run;
          if (left > 0) ask(turn);
          const now = { callId, left: Math.max(0, left - 1), open: left > 0 ? open : open - 1 };
          turn.keys.set("run", now);
          if (now.open === 0) turn.answer(callId, { ok: true, value: null });
        },
      },
    });
  },
};

const provider: TestCapsule = {
  manifest: manifestOf("test.provider", {
    capabilities: { provides: ["test.provider"] },
    state: { owns: ["n"] },
  }),
  spec: { "spec/schema.json": { $defs: { "test.provider.echo.input": anything } } },
  bundle: () =>
    capsule({
      calls: {
        "test.provider.echo": (turn, input) => {
          turn.keys.set("n", ((turn.keys.get("n") as number | undefined) ?? 0) + 1);
          return input;
        },
      },
    }),
};

export type LedgerKind = "sqlite" | "nats";

/** `GO count inFlight` in, milliseconds out. */
async function main(server: string, name: string, kind: LedgerKind): Promise<void> {
  const askerGroup = Number(ledgerGroupOf("test.asker/0", GROUPS).slice(1));
  if (ledgerGroupOf("test.provider/0", GROUPS) === `g${askerGroup}`) throw new Error("both in one group");
  const west = sharedGroups(GROUPS).flatMap((_, group) => (group === askerGroup ? [] : [group]));
  const made = ownerTable({ groups: GROUPS, owners: { east: [askerGroup], west } }, name);
  if (!made.ok) throw new Error(made.problem);
  const clock = new SystemClock();
  const directory = mkdtempSync(join(tmpdir(), "vnes-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  let ledger: LedgerStore;
  if (kind === "sqlite") ledger = await openSqliteLedgerStore({ path: join(directory, "ledger.db") });
  else {
    ledger = await openNatsLedgerStore({
      bus: await openBus({ servers: [server], node: name }),
      namespace: "bench",
      node: name,
      instance: name,
      groups: GROUPS,
      groupOf: (shard) => ledgerGroupOf(shard, GROUPS),
      owns: ownGroups(made.table),
    });
  }
  const bus = await openBus({ servers: [server], node: name, noEcho: true });
  const namespace = `bench-${kind}`;
  const messenger = natsMessenger({ bus, namespace, node: name, clock, random: cryptoRandom });
  const { node } = await bootTestNode({
    capsules: [asker, provider],
    clock: clock as never,
    parts: { node: name, ledger, random: cryptoRandom, cluster: { table: made.table, messenger } },
  });
  process.on("message", ({ count, inFlight }: { readonly count: number; readonly inFlight: number }) => {
    const start = performance.now();
    void node.call("test.asker", "go", { count, inFlight }, 60_000).then((answer) => {
      if (!answer.ok) throw new Error(`${answer.code} ${answer.message}`);
      process.send?.({ ms: performance.now() - start });
    });
  });
  process.on("disconnect", () => process.exit(0));
  process.send?.("up");
}

const [, file, server, name, kind] = process.argv;
if (file === import.meta.filename && server !== undefined && name !== undefined)
  await main(server, name, kind as LedgerKind);
