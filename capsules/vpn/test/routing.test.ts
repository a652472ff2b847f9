/** Which path wins, and why: with routing and geometry, with one of them, with neither, and with others in their place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/sdk";
import fc from "fast-check";
import { DEFAULT_POLICY } from "../../core/routing/src/policy.ts";
import { rank as routingRank } from "../../core/routing/src/ranking.ts";
import { parseConfig } from "../client/src/config.ts";
import { NEW_HEALTH } from "../client/src/draft.ts";
import { rank as clientRank } from "../client/src/ranking.ts";
import { parseRanking, rankInput } from "../client/src/routing.ts";
import type { Choice, ClientEvent, Ranking } from "../client/src/vocabulary.ts";
import { SPECS } from "./specs.ts";
import { KEYS, type Options, openVpn, type Vpn } from "./vpn.ts";

const PATHS = ["dsl", "lte", "wifi"];
const RECOVERY_MS = 1_500;
/** As long as a prepared ranking stands. */
const WATCH_MS = 1_000;
const told = (rtts: { readonly [path: string]: number }): JsonObject => ({
  model: "static",
  table: Object.entries(rtts).map(([to, rttMs]) => ({ from: "client", to, rttMs })),
});
const WIFI_IS_NEAR = told({ dsl: 80, lte: 60, wifi: 10 });
const LTE_IS_NEAR = told({ dsl: 80, lte: 5, wifi: 10 });

function connected(core: Options["core"]): Vpn {
  const vpn = openVpn({ paths: PATHS, ...(core === undefined ? {} : { core }) });
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  return vpn;
}

const ranking = (vpn: Vpn): Ranking => vpn.status()["ranking"] as unknown as Ranking;

/** What the last event of this kind says of how its path was chosen. */
function choice(vpn: Vpn, event: ClientEvent["event"]): Choice {
  const events = vpn.client.published.map((one) => one.event as unknown as ClientEvent);
  const found = events.findLast((one) => one.event === event);
  assert.ok(found, event);
  return found.evidence["choice"] as unknown as Choice;
}

function loseActive(vpn: Vpn): void {
  const path = vpn.activePath();
  assert.ok(path);
  vpn.network.kill(path, "closed");
  const moved = (): boolean => vpn.mode() === "steady" && vpn.activePath() !== path;
  assert.ok(vpn.lab.until(moved, RECOVERY_MS), JSON.stringify(vpn.status(), null, 1));
  vpn.lab.advance(100);
}

test("without routing the client ranks by itself and says why", () => {
  const vpn = connected(undefined);
  assert.equal(vpn.activePath(), "dsl");
  const { by, problem, decidedBy, skipped } = choice(vpn, "attached");
  assert.deepEqual([by, problem, skipped], ["client", "CALL_CAPABILITY_UNAVAILABLE", []]);
  assert.deepEqual(decidedBy, { criterion: "id", value: "dsl", against: "lte", next: "lte", unit: null });
  assert.equal(ranking(vpn).by, "client");
});

test("with routing and geometry the nearest path wins, and the event says what put it first", () => {
  const vpn = connected({ routing: {}, geometry: WIFI_IS_NEAR });
  assert.equal(vpn.activePath(), "wifi");
  assert.deepEqual(choice(vpn, "attached"), {
    by: "routing",
    problem: null,
    ageMs: 0,
    geometry: { model: "static", problem: null },
    decidedBy: { criterion: "latency", value: 10, against: "lte", next: 60, unit: "ms" },
    skipped: [],
    standby: false,
  });
  assert.deepEqual(
    ranking(vpn).places.map(({ pathId }) => pathId),
    ["wifi", "lte", "dsl"],
  );
});

test("another geometry, other weights, or no geometry: another path wins, and the reason is another", () => {
  const other = connected({ routing: {}, geometry: LTE_IS_NEAR });
  assert.equal(other.activePath(), "lte");
  assert.equal(choice(other, "attached").decidedBy?.next, 10);

  const careless = connected({ routing: { policy: { latencyWeight: 0 } }, geometry: WIFI_IS_NEAR });
  assert.equal(careless.activePath(), "dsl");
  assert.equal(choice(careless, "attached").decidedBy?.criterion, "id");

  const blind = connected({ routing: {} });
  assert.equal(blind.activePath(), "dsl");
  const { by, geometry } = choice(blind, "attached");
  assert.deepEqual([by, geometry], ["routing", { model: null, problem: "CALL_CAPABILITY_UNAVAILABLE" }]);
});

test("routing and geometry removed while the session lives: the next switch goes elsewhere and says so", () => {
  const [kept, bereft] = [0, 1].map(() => connected({ routing: {}, geometry: WIFI_IS_NEAR })) as [Vpn, Vpn];
  bereft.client.remove(SPECS.routing.id);
  for (const vpn of [kept, bereft]) {
    vpn.lab.advance(WATCH_MS);
    loseActive(vpn);
  }
  assert.deepEqual([kept.activePath(), bereft.activePath()], ["lte", "dsl"]);
  assert.equal(choice(kept, "switched").by, "routing");
  assert.deepEqual(choice(kept, "switched").skipped, ["wifi"]);
  const { by, problem } = choice(bereft, "switched");
  assert.deepEqual([by, problem], ["client", "CALL_CAPABILITY_UNAVAILABLE"]);
  kept.client.remove(SPECS.geometry.id);
  kept.network.revive("wifi");
  kept.lab.advance(WATCH_MS);
  loseActive(kept);
  assert.equal(choice(kept, "switched").geometry?.problem, "CALL_CAPABILITY_UNAVAILABLE");
});

test("trouble finds a ranking that was prepared and waits for nobody, though routing has fallen silent (CL6)", () => {
  const vpn = connected({ routing: {}, geometry: WIFI_IS_NEAR });
  vpn.lab.advance(10);
  vpn.client.deaf.add(SPECS.routing.id);
  const since = vpn.lab.now;
  vpn.network.kill("wifi", "closed");
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady" && vpn.activePath() !== "wifi", RECOVERY_MS));
  assert.ok(vpn.lab.now - since < 100, `${vpn.lab.now - since} ms`);
  const { by, problem, ageMs } = choice(vpn, "switched");
  assert.deepEqual([by, problem, vpn.activePath()], ["routing", null, "lte"]);
  assert.ok(ageMs !== null && ageMs >= 10 && ageMs < 100, `${ageMs}`);
});

test("where none is prepared, routing that does not answer costs the client its deadline once a round, and nothing else (CL6)", () => {
  const vpn = openVpn({ paths: PATHS, core: { routing: {}, geometry: WIFI_IS_NEAR } });
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", RECOVERY_MS));
  vpn.client.kill();
  vpn.client.deaf.add(SPECS.routing.id);
  vpn.client.boot();
  const since = vpn.lab.now;
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", RECOVERY_MS));
  const took = vpn.lab.now - since;
  assert.ok(took >= 100 && took < 300, `${took} ms`);
  const { by, problem } = choice(vpn, "switched");
  assert.deepEqual([by, problem], ["client", "CALL_TIMEOUT"]);
  assert.equal((vpn.status()["counters"] as JsonObject)["rank.CALL_TIMEOUT"], 1);
});

test("a restart in the middle of a ranking leaves nothing waiting", () => {
  const vpn = connected({ routing: {}, geometry: WIFI_IS_NEAR });
  vpn.client.kill();
  vpn.client.deaf.add(SPECS.routing.id);
  vpn.client.boot();
  vpn.lab.advance(50);
  assert.notEqual(vpn.mode(), "steady");
  vpn.client.kill();
  vpn.client.deaf.clear();
  vpn.client.boot();
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", RECOVERY_MS));
  assert.deepEqual([vpn.activePath(), choice(vpn, "switched").by], ["lte", "routing"]);
  vpn.check();
});

test("the client measures its active path, and geometry hears of it", () => {
  const vpn = connected({ routing: {}, geometry: {} });
  vpn.lab.advance(5_000);
  const active = vpn.activePath();
  const { candidates } = vpn.status() as unknown as {
    candidates: { pathId: string; latencyMs: number | null }[];
  };
  const measured = candidates.filter(({ latencyMs }) => latencyMs !== null);
  assert.deepEqual(
    measured.map(({ pathId }) => pathId),
    [active],
  );
  const { peers } = vpn.client.value("geometry", "coordinates", {}) as unknown as {
    peers: { peer: string }[];
  };
  assert.deepEqual(
    peers.map(({ peer }) => peer),
    ["client", active],
  );
});

test("for the same values the client and routing have the same order and the same reasons", () => {
  const at = 1_000_000;
  const value = fc.record({
    priority: fc.constantFrom(1, 2),
    failures: fc.nat(3),
    lossPercent: fc.option(fc.constantFrom(0, 10, 12.5, 50, 100)),
    latencyMs: fc.option(
      fc.oneof(fc.constantFrom(0, 200, 1000, 1200), fc.double({ min: 0, max: 60_000, noNaN: true })),
    ),
  });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 8 }), (values) => {
      const config = parseConfig({
        gateway: KEYS.gateway,
        candidates: values.map(({ priority }, index) => ({
          pathId: `path${(index * 7) % 11}`,
          kind: "udp",
          address: "127.0.0.1",
          port: 1 + index,
          priority,
        })),
      });
      const health = config.candidates.map(({ pathId }, index) => {
        const { failures = 0, latencyMs = null, lossPercent = null } = values[index] ?? {};
        const failedAt = Array.from({ length: failures }, () => at);
        return [pathId, { ...NEW_HEALTH, failedAt, latencyMs, lossPercent }] as const;
      });
      const paths = Object.fromEntries(health);
      const input = rankInput(config, paths, at) as unknown as {
        candidates: Parameters<typeof routingRank>[0];
      };
      const places = routingRank(input.candidates, DEFAULT_POLICY) as unknown as JsonObject[];
      const answer = JSON.parse(JSON.stringify({ places, geometry: { asked: false } })) as JsonObject;
      assert.deepEqual(
        clientRank(config.candidates, paths, at),
        parseRanking(answer, config.candidates)?.places,
      );
    }),
    { numRuns: 500 },
  );
});

test("an answer that is no ranking of the candidates is left aside", () => {
  const { candidates } = parseConfig({
    gateway: KEYS.gateway,
    candidates: ["a", "b"].map((pathId, index) => ({ pathId, kind: "udp", address: "::1", port: 1 + index })),
  });
  for (const places of [
    undefined,
    [],
    [{ id: "a" }],
    [{ id: "a" }, { id: "a" }],
    [{ id: "a" }, { id: "c" }],
    "ab",
  ])
    assert.equal(parseRanking(places === undefined ? null : { places }, candidates), undefined);
  const odd = {
    places: [
      { id: "b", decidedBy: 7 },
      { id: "a", decidedBy: { criterion: 1 } },
    ],
    geometry: [],
  };
  assert.deepEqual(parseRanking(odd, candidates), {
    places: [
      { pathId: "b", decidedBy: null },
      { pathId: "a", decidedBy: null },
    ],
    geometry: null,
  });
});
