/**
 * Real nodes: routing and geometry as they come, configured otherwise, taken away, and replaced by capsules of somebody else. Each
 * time another path wins, and `vnes session explain` says another reason.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Json, JsonObject } from "@vnes/schemas";
import { Home } from "../cli/vnes.ts";
import { clientConfig, gatewayConfig } from "../demo/nodes.ts";

const CORE = fileURLToPath(new URL("../../capsules/core", import.meta.url));
const PATIENCE_MS = 30_000;
/** On a busy machine an answer that is late is not one that is missing. */
const PATIENT = {
  routing: { policy: { geometryTimeoutMs: 1_000 } },
  client: { openTimeoutMs: 5_000, answerMs: 2_000, rankMs: 2_000 },
};
const home = new Home();
let paths: { pathId: string; kind: string; port: number }[] = [];
let gatewayKey = "";

before(async () => {
  const flags = place("gateway", "vnes.vpn.gateway", gatewayConfig(9));
  await home.boot(...flags);
  const { value } = await home.json<{ value: { publicKey: string; listeners: typeof paths } }>(
    ...["call", "vpn.transport", "status"],
    ...flags,
  );
  gatewayKey = value.publicKey;
  // By id "far" is before "near"; what else is between them is said by whoever ranks.
  paths = value.listeners.map(({ kind, port }) => ({ pathId: kind === "udp" ? "near" : "far", kind, port }));
});
after(() => home[Symbol.asyncDispose]());

/** The flags of a node that runs these capsules; its directory is its own. */
function place(
  name: string,
  run: string | readonly string[],
  config: { readonly [capsule: string]: Json },
): readonly string[] {
  const data = join(home.dir, name);
  mkdirSync(data, { mode: 0o700 });
  const file = join(home.dir, `${name}.json`);
  const capsules = { run: [run].flat(), config };
  writeFileSync(file, JSON.stringify({ schema_version: "v1", node: name, data_dir: data, capsules }));
  return ["--config", file];
}

interface Life {
  readonly path: string;
  /** What explain says of the choice. */
  readonly why: string;
}

/** A client that never was before, attached; what it says of its path. */
async function live(
  name: string,
  {
    core = {},
    run = [],
  }: { readonly core?: { readonly [id: string]: Json }; readonly run?: readonly string[] },
): Promise<Life> {
  const config = clientConfig(
    gatewayKey,
    paths.map((one) => ({ ...one, priority: 10 })),
  );
  const client = config["vnes.vpn.client"] as JsonObject;
  const candidates = (client["candidates"] as readonly JsonObject[]).map((one) => ({ ...one, priority: 10 }));
  const patient = { ...client, candidates, policy: PATIENT.client };
  const flags = place(name, ["vnes.vpn.client", ...run], {
    ...config,
    "vnes.vpn.client": patient,
    "vnes.core.routing": PATIENT.routing,
    ...core,
  });
  const node = await home.boot(...flags, "--unconfined-dev");
  for (const giveUpAt = Date.now() + PATIENCE_MS; ; await pause(100)) {
    const { value } = await home.json<{ value: { mode: string; active: { pathId: string } | null } }>(
      ...["call", "vpn.client", "status"],
      ...flags,
    );
    if (value.mode === "steady" && value.active !== null) {
      const { out } = await home.run("session", "explain", ...flags);
      const why = out.split("\n").find((line) => / ranked it| put it before /.test(line)) ?? out;
      await node.kill("SIGTERM");
      return { path: value.active.pathId, why };
    }
    assert.ok(Date.now() < giveUpAt, `${name} is ${value.mode}`);
  }
}

/** A core capsule's interface with other decisions, by another author, built and installed as a person does it. */
async function install(of: "routing" | "geometry", decides: string): Promise<string> {
  const id = `acme.${of}`;
  const dir = join(home.dir, id);
  mkdirSync(join(dir, "spec"), { recursive: true });
  mkdirSync(join(dir, "src"));
  const schema = JSON.parse(readFileSync(join(CORE, of, "spec", "schema.json"), "utf8")) as {
    $defs: { [name: string]: JsonObject };
  };
  // It answers the same questions in its own words; whoever asks reads the answer as data.
  for (const name of Object.keys(schema.$defs).filter((one) => one.endsWith(".output")))
    schema.$defs[name] = { type: "object" };
  writeFileSync(join(dir, "spec", "schema.json"), JSON.stringify(schema));
  writeFileSync(join(dir, "spec", "logic.md"), "Somebody else's.\n");
  writeFileSync(join(dir, "src", "main.ts"), decides);
  const own = JSON.parse(readFileSync(join(CORE, of, "manifest.json"), "utf8")) as {
    capabilities: JsonObject;
    bus: JsonObject;
  } & JsonObject;
  const { x_optional: _, ...capabilities } = own.capabilities;
  const manifest = {
    ...own,
    id,
    capabilities: { ...capabilities, requires: [] },
    governance: { tier: "local", audit_level: "low" },
    security: { trust_zone: "tenant" },
    bus: { publishes: [], subscribes: [] },
    state: { owns: [] },
  };
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
  for (const command of ["build", "install"]) {
    const { code, err } = await home.run("capsule", command, dir);
    assert.equal(code, 0, `${command}: ${err}`);
  }
  return id;
}

/** As docs/operations.md says: off the list of what must be there, and named to whom it is to answer. */
function withoutCore(name: "routing" | "geometry", to: string): void {
  const file = join(home.dir, "config", "policy.json");
  const policy = JSON.parse(readFileSync(file, "utf8")) as { required: string[]; access: object[] };
  policy.required = policy.required.filter((id) => id !== `vnes.core.${name}`);
  policy.access.push({ name, to: [to] });
  writeFileSync(file, JSON.stringify(policy));
}

test("what geometry was told, geometry replaced, and geometry taken away: each another path, or another reason", async () => {
  const told = (near: number, far: number): Json => ({
    model: "static",
    table: [
      { from: "client", to: "near", rttMs: near },
      { from: "client", to: "far", rttMs: far },
    ],
  });
  const learning = await live("learning", {});
  assert.equal(learning.path, "far");
  assert.match(learning.why, /^The capsule routing put it before near by id: far against near\./);

  const table = await live("table", { core: { "vnes.core.geometry": told(5, 80) } });
  assert.equal(table.path, "near");
  assert.match(table.why, /^The capsule routing put it before far by latency: 5 ms against 80 ms\. .*static/);

  withoutCore("geometry", "vnes.core.routing");
  const gone = await live("gone", {});
  assert.equal(gone.path, "far");
  assert.match(gone.why, /by id: far against near\. .*CALL_CAPABILITY_UNAVAILABLE/);

  const id = await install(
    "geometry",
    `import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "geometry.estimate": (_turn, input) => {
      const { to } = input as { readonly to: readonly string[] };
      return {
        model: "vivaldi",
        estimates: to.map((peer) => ({ to: peer, rttMs: peer === "near" ? 31 : 32, error: 0 })),
      };
    },
    "geometry.coordinates": () => ({ model: "vivaldi", peers: [], next: null, counters: {} }),
  },
});
`,
  );
  const other = await live("other", { run: [id] });
  assert.equal(other.path, "near");
  assert.match(other.why, /by latency: 31 ms against 32 ms\./);
});

test("routing taken away, and routing replaced: the client ranks by itself and says so, and then goes by the other one", async () => {
  withoutCore("routing", "vnes.vpn.client");
  const gone = await live("alone", {});
  assert.equal(gone.path, "far");
  assert.match(
    gone.why,
    /^The client itself put it before near by id: far against near\. Routing did not rank \(CALL_CAPABILITY_UNAVAILABLE\)\./,
  );

  const id = await install(
    "routing",
    `import { capsule } from "@vnes/sdk";
export default capsule({
  calls: {
    "routing.rank": (_turn, input) => {
      const { candidates } = input as { readonly candidates: readonly { readonly id: string }[] };
      const [last = "", next = ""] = candidates.map(({ id }) => id).sort().reverse();
      const decidedBy = { criterion: "taste", value: last, against: next, next, unit: null };
      return { places: [{ id: last, decidedBy }, { id: next, decidedBy: null }], geometry: { asked: false } };
    },
  },
});
`,
  );
  const other = await live("tasteful", { run: [id] });
  assert.equal(other.path, "near");
  assert.match(other.why, /^The capsule routing put it before far by taste: near against far\./);
});
