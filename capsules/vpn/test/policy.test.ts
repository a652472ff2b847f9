/** Policies as data: one source for their bounds, whoever states them; and a capsule that decides the policy of a session. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Json, JsonObject } from "@vnes/sdk";
import {
  CLIENT_POLICY,
  type PolicyField,
  type PolicyTable,
  parsePolicy,
  policySchema,
  SESSION_POLICY,
  type SessionPolicy,
  usualPolicy,
} from "@vnes/vpn-common";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { parseConfig as parseClientConfig } from "../client/src/config.ts";
import { parseConfig as parseGatewayConfig } from "../gateway/src/config.ts";
import { SPECS } from "./specs.ts";
import { KEYS, type Options, openVpn, type Vpn } from "./vpn.ts";

const CAPSULES = new URL("../../", import.meta.url);
const COMMAND = "UPDATE=1 npm test -- capsules/vpn/test/policy.test.ts";
const $schema = "https://json-schema.org/draft/2020-12/schema";

/** Whole documents, and definitions in documents that hold more. */
const WRITTEN: readonly (readonly [file: string, schema: object, definition?: string])[] = [
  [
    "vpn/gateway/spec/policy.schema.json",
    { $schema, title: "Policy of a session", ...policySchema(SESSION_POLICY, false) },
  ],
  [
    "vpn/client/spec/policy.schema.json",
    { $schema, title: "Policy of a client", ...policySchema(CLIENT_POLICY, false) },
  ],
  ["vpn/session/spec/schema.json", policySchema(SESSION_POLICY, true), "policy"],
  ["policy/session/classes/spec/schema.json", policySchema(SESSION_POLICY, true), "policy"],
  ["policy/session/classes/spec/schema.json", policySchema(SESSION_POLICY, false), "part"],
];

for (const [file, schema, definition] of WRITTEN) {
  test(`${file} ${definition ?? ""} has the bounds of the one table`, () => {
    const url = new URL(file, CAPSULES);
    const read = (): { $defs: { [name: string]: unknown } } => JSON.parse(readFileSync(url, "utf8")) as never;
    if (process.env["UPDATE"] === "1") {
      let next: object = schema;
      if (definition !== undefined) {
        const whole = read();
        next = { ...whole, $defs: { ...whole.$defs, [definition]: schema } };
      }
      writeFileSync(url, `${JSON.stringify(next, null, 2)}\n`);
    }
    assert.deepEqual(definition === undefined ? read() : read().$defs[definition], schema, COMMAND);
  });
}

type Configured = (policy: JsonObject) => { readonly [name: string]: number };
const TABLES: readonly (readonly [name: string, table: PolicyTable, configured: Configured])[] = [
  ["session", SESSION_POLICY, (policy: JsonObject) => parseGatewayConfig({ policy }).policy],
  ["client", CLIENT_POLICY, (policy: JsonObject) => parseClientConfig({ policy }).policy],
];

for (const [name, table, configured] of TABLES) {
  const fields = Object.entries(table);
  const value = fc.oneof(
    fc.constantFrom(...fields.flatMap(([, { min, max }]) => [0, min - 1, min, max, max + 1])),
    fc.integer({ min: 1, max: 16 }),
    fc.double(),
    fc.constantFrom("1000", null, true),
  );
  const anything = fc.dictionary(
    fc.oneof(fc.constantFrom(...fields.map(([field]) => field)), fc.string()),
    value,
  );

  test(`a ${name}'s policy is taken by its parser, its configuration and its schema alike`, () => {
    const validate = new Ajv2020({ strict: false }).compile(policySchema(table, false));
    fc.assert(
      fc.property(anything, (policy) => {
        const parsed = parsePolicy(table, policy, usualPolicy(table));
        // What JSON cannot say is no policy either way.
        const fits = validate(policy) as boolean;
        assert.equal(parsed.ok, fits, JSON.stringify(policy));
        if (parsed.ok) assert.deepEqual(configured(policy as JsonObject), parsed.policy);
        else assert.throws(() => configured(policy as JsonObject), /CONFIG_INVALID at \/policy/);
      }),
      { numRuns: 1000 },
    );
  });
}

test("a client's probes are off or not too many, and of some pings no more are below: by the table, so by its schema too", () => {
  const validate = new Ajv2020({ strict: false }).compile(policySchema(CLIENT_POLICY, false));
  const table: readonly (readonly [policy: JsonObject, fits: boolean])[] = [
    [{ probeMs: 0 }, true],
    [{ probeMs: 99 }, false],
    [{ probeMs: 100 }, true],
    ...[1, 2, 3, 5, 6, 15, 16].flatMap((belowPings) =>
      [1, 2, 3, 5, 15, 16].map((ofPings) => [{ belowPings, ofPings }, belowPings <= ofPings] as const),
    ),
    // What is left out has its usual value: 3 of 5.
    [{ ofPings: 2 }, false],
    [{ ofPings: 3 }, true],
    [{ belowPings: 5 }, true],
    [{ belowPings: 6 }, false],
  ];
  for (const [policy, fits] of table) {
    const { ok } = parsePolicy(CLIENT_POLICY, policy, usualPolicy(CLIENT_POLICY));
    assert.deepEqual([ok, validate(policy)], [fits, fits], JSON.stringify(policy));
  }
});

const atBounds = (table: { readonly [name: string]: PolicyField }, end: "min" | "max"): JsonObject =>
  Object.fromEntries(
    Object.entries(table).map(([name, field]) => [name, end === "min" && field.orZero ? 0 : field[end]]),
  );

for (const end of ["min", "max"] as const) {
  test(`with every value of both policies at its ${end} the VPN keeps its invariants, and ends or holds as they say`, () => {
    const vpn = openVpn({
      gateway: { policy: atBounds(SESSION_POLICY, end) },
      policy: atBounds(CLIENT_POLICY, end),
    });
    vpn.lab.until(() => vpn.mode() === "steady", 5000);
    for (let round = 0; round < 20; round++) {
      const path = vpn.activePath();
      if (path !== null) vpn.network.kill(path, "closed");
      vpn.lab.advance(250);
      vpn.check();
      if (path !== null) vpn.network.revive(path);
      vpn.lab.advance(50);
      vpn.check();
    }
    const ended = vpn
      .moves()
      .filter((move) => move["to"] === "TERMINATED")
      .map((move) => move["reason"]);
    if (end === "max") {
      assert.deepEqual(ended, [], "nothing ends within seconds that may last for days");
      assert.equal(vpn.mode(), "steady");
      return;
    }
    // A second of life: whatever else happens, the session is over, and said why.
    assert.ok(ended.length > 0);
    for (const reason of ended) {
      assert.ok(
        reason === "SESSION_TTL_EXPIRED" || reason === "TRANSPORT_LOSS_TTL_EXPIRED",
        JSON.stringify(reason),
      );
    }
    const switches = vpn.moves().filter((move) => move["reason"] === "REATTACHED");
    assert.ok(switches.length <= 1, "one switch a minute");
  });
}

type Created = { readonly policy: SessionPolicy; readonly evidence: JsonObject };

function created(options: Options, prepare: (vpn: Vpn) => void = () => {}): Created {
  const vpn = openVpn(options);
  prepare(vpn);
  assert.ok(vpn.lab.until(() => vpn.mode() === "steady", 10_000));
  vpn.check();
  const move = vpn.moves().find((one) => one["reason"] === "CREATED") as JsonObject;
  const { policy } = vpn.gateway.value("vpn.session", "get", { sessionId: move["sessionId"] as Json });
  return {
    policy: policy as unknown as SessionPolicy,
    evidence: (move["evidence"] as JsonObject)["policy"] as JsonObject,
  };
}

const OWN = { sessionTtlMs: 3_600_000, transportLossTtlMs: 20_000, maxSwitchesPerMinute: 10 };
const PHONE = { transportLossTtlMs: 300_000, maxSwitchesPerMinute: 60 };

test("a policy capsule decides what it names, the gateway the rest, and the event says so", () => {
  const members = { [KEYS.client]: "phone" };
  const { policy, evidence } = created({
    gateway: { policy: OWN },
    sessionPolicy: { classes: { phone: PHONE }, members },
  });
  assert.deepEqual(policy, { ...OWN, ...PHONE });
  assert.deepEqual(evidence, { by: "capsule", problem: null, reason: "class phone" });
});

test("a client of no class gets the gateway's policy, by the capsule's decision", () => {
  const { policy, evidence } = created({ gateway: { policy: OWN }, sessionPolicy: {} });
  assert.deepEqual([policy, evidence], [OWN, { by: "capsule", problem: null, reason: "no class" }]);
});

test("without a policy capsule, or with one that is late, the gateway's policy holds, and the event names the problem where there is one", () => {
  const none = created({ gateway: { policy: OWN } });
  assert.deepEqual([none.policy, none.evidence], [OWN, { by: "gateway", problem: null, reason: null }]);
  const deaf = (vpn: Vpn): void => {
    vpn.gateway.deaf.add(SPECS.policy.id);
  };
  const late = created({ gateway: { policy: OWN }, sessionPolicy: { classes: { phone: PHONE } } }, deaf);
  assert.deepEqual(
    [late.policy, late.evidence],
    [OWN, { by: "gateway", problem: "CALL_TIMEOUT", reason: null }],
  );
});
