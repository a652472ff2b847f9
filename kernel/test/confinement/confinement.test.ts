/** From zone and policy to confinement: every setting with a reason, and who may share a host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Manifest, Policy, TrustZone, ZoneConfinement } from "@vnes/schemas";
import { TRUST_ZONES } from "@vnes/schemas";
import type { Confinement, ConfinementDecision, Platform } from "../../src/confinement/confinement.ts";
import { confinementOf } from "../../src/confinement/confinement-of.ts";
import { groupOf } from "../../src/confinement/host-group.ts";
import { manifestOf, policy as plain } from "../harness/node-harness.ts";

const ABLE: Platform = { lacks: [], keeps: { memory: "cgroup v2", pids: "cgroup v2", cpu: "watchdog" } };
const UNABLE: Platform = {
  ...ABLE,
  lacks: [{ part: "bubblewrap", found: "there is no bwrap", remedy: "sudo apt-get install bubblewrap" }],
};
const CONFINED_ZONES = TRUST_ZONES.filter((zone) => zone !== "system");

interface Asked {
  readonly manifest?: Manifest;
  readonly policy?: Partial<Policy>;
  readonly platform?: Platform;
  readonly unconfinedDev?: boolean;
}

function ask(zone: TrustZone, asked: Asked = {}): ConfinementDecision {
  const { manifest = manifestOf("acme.greeter"), platform = ABLE, unconfinedDev = false } = asked;
  return confinementOf({ manifest, zone, policy: { ...plain, ...asked.policy }, platform, unconfinedDev });
}

function confined(decision: ConfinementDecision): Confinement {
  assert.equal(decision.kind, "confined");
  return (decision as Extract<ConfinementDecision, { kind: "confined" }>).confinement;
}

test("zone system has a process of its own unless policy wants more; every other zone stands behind namespaces (W1)", () => {
  assert.equal(confined(ask("system")).wall, "none");
  assert.equal(confined(ask("system", { platform: UNABLE })).wall, "none");
  const wanted = { confinement: { system: { wall: "namespaces" } } } as const;
  assert.equal(confined(ask("system", { policy: wanted })).wall, "namespaces");
  for (const zone of CONFINED_ZONES) {
    const { wall, network, devices, reads } = confined(ask(zone));
    assert.deepEqual([wall, network, devices, reads], ["namespaces", "none", "none", "program"]);
  }
});

test("what this machine cannot confine is refused with what it lacks, or runs without a wall when somebody said so (W1)", () => {
  for (const zone of CONFINED_ZONES) {
    assert.deepEqual(ask(zone, { platform: UNABLE }), { kind: "refused", lacks: UNABLE.lacks });
    for (const platform of [ABLE, UNABLE]) {
      const decision = ask(zone, { platform, unconfinedDev: true });
      assert.equal(confined(decision).wall, "none");
      const first = decision.kind === "confined" ? decision.reasons[0] : undefined;
      assert.deepEqual([first?.setting, first?.from], ["wall", "option"]);
    }
  }
  const wanted = { confinement: { system: { wall: "namespaces" } } } as const;
  assert.equal(ask("system", { policy: wanted, platform: UNABLE }).kind, "refused");
});

test("without a wall no limit of the policy is kept but niceness and message, and each is said to be none or what it is (W2)", () => {
  const limits = { memory_mb: 512, nice: 3, message_mb: 2 };
  const asked: readonly (readonly [TrustZone, boolean])[] = [
    ["system", false],
    ["tenant", true],
  ];
  for (const [zone, unconfinedDev] of asked) {
    const decision = ask(zone, { policy: { confinement: { [zone]: limits } }, unconfinedDev });
    const { wall, memoryMb, nice, messageMb } = confined(decision);
    assert.deepEqual([wall, memoryMb, nice, messageMb], ["none", 0, 3, 2]);
    const reasons = decision.kind === "confined" ? decision.reasons : [];
    const said = (name: keyof Confinement): unknown => {
      const reason = reasons.find(({ setting }) => setting === name);
      return [reason?.value, reason?.from];
    };
    assert.deepEqual(said("memoryMb"), ["no limit", "policy"]);
    assert.deepEqual(said("pids"), ["no limit", "zone"]);
    assert.deepEqual(said("nice"), ["3", "policy"]);
    assert.deepEqual(said("messageMb"), ["2 MiB", "policy"]);
    const why = reasons.find(({ setting }) => setting === "memoryMb")?.why ?? "";
    assert.match(why, /counts behind a wall only/);
    assert.equal(why.includes("confinement.system.wall"), zone === "system");
  }
});

test("a driver has a process of its own and no wall: the machine is its business", () => {
  const wanted = { confinement: { system: { wall: "namespaces" } } } as const;
  const manifest = manifestOf("vnes.radio", { type: "driver" });
  const { wall, sharedBy } = confined(ask("system", { manifest, policy: wanted }));
  assert.deepEqual([wall, sharedBy], ["none", "device/vnes.radio"]);
});

test("each zone is kept tighter than the one before it", () => {
  const [tenant, session, ephemeral] = CONFINED_ZONES.map((zone) => confined(ask(zone))) as [
    Confinement,
    Confinement,
    Confinement,
  ];
  for (const [looser, tighter] of [
    [tenant, session],
    [session, ephemeral],
  ] as const) {
    for (const limit of ["memoryMb", "pids", "cpuPercent", "openFiles"] as const)
      assert.ok(tighter[limit] < looser[limit], `${tighter.zone}: ${limit}`);
    assert.ok(tighter.nice > looser.nice);
  }
});

const LIMITS = [
  ["memory_mb", "memoryMb", 96, 1_048_576],
  ["pids", "pids", 32, 65_536],
  ["cpu_percent", "cpuPercent", 5, 102_400],
  ["nice", "nice", 0, 19],
  ["open_files", "openFiles", 32, 65_536],
  ["scratch_mb", "scratchMb", 0, 65_536],
  ["message_mb", "messageMb", 1, 64],
] as const;

test("every setting has one reason, and a line of the policy decides what it names and nothing else (W2)", () => {
  const line = fc.record(
    Object.fromEntries(LIMITS.map(([name, , min, max]) => [name, fc.integer({ min, max })])),
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.constantFrom(...CONFINED_ZONES), line, (zone, limits: ZoneConfinement) => {
      const other = CONFINED_ZONES.find((one) => one !== zone) as TrustZone;
      const policy = { confinement: { [zone]: limits } };
      const decision = ask(zone, { policy });
      const confinement = confined(decision);
      const reasons = decision.kind === "confined" ? decision.reasons : [];
      const settings = reasons.map(({ setting }) => setting);
      assert.deepEqual(
        [...settings].sort(),
        Object.keys(confinement)
          .filter((setting) => setting !== "zone")
          .sort(),
      );
      const unsaid = confined(ask(zone));
      for (const [name, setting] of LIMITS) {
        assert.equal(confinement[setting], limits[name] ?? unsaid[setting]);
        const reason = reasons.find((one) => one.setting === setting);
        assert.equal(reason?.from, limits[name] === undefined ? "zone" : "policy");
        assert.match(reason?.value ?? "", new RegExp(`^${confinement[setting]}\\b`));
      }
      assert.deepEqual(ask(other, { policy }), ask(other));
    }),
  );
});

test("a limit says what keeps it", () => {
  const decision = ask("tenant");
  const why = (setting: keyof Confinement): string =>
    decision.kind === "confined" ? (decision.reasons.find((one) => one.setting === setting)?.why ?? "") : "";
  assert.match(why("memoryMb"), /cgroup v2/);
  assert.match(why("cpuPercent"), /watchdog/);
});

const owned = (id: string, owner?: string): Manifest => {
  const manifest = manifestOf(id);
  return owner === undefined ? manifest : { ...manifest, governance: { ...manifest.governance, owner } };
};

test("capsules of two zones, or of two tenants, never share a host, whatever policy and manifests say (W3)", () => {
  const word = fc.constantFrom("acme", "b", "acme/b", "tenant/acme", "system", "", "%2F");
  // An id may be a namespace and nothing more.
  const id = fc
    .tuple(fc.constantFrom("acme", "b"), fc.constantFrom("", ".x", ".b"))
    .map((parts) => parts.join(""));
  const capsule = fc.record({
    id,
    owner: fc.option(word, { nil: undefined }),
    zone: fc.constantFrom(...TRUST_ZONES),
  });
  const rule = fc.record({
    match: fc.constantFrom("*", "acme", "acme.*", "b.*", "acme.x", "b.b"),
    group: fc.constantFrom("g", "b", "system", "tenant/acme", "acme/b/g", "acme.x"),
  });
  fc.assert(
    fc.property(capsule, capsule, fc.array(rule, { maxLength: 3 }), (a, b, hosts) => {
      const [one, two] = [a, b].map(({ id, owner, zone }) =>
        JSON.stringify(confined(ask(zone, { manifest: owned(id, owner), policy: { hosts } }))),
      );
      if (one !== two) return;
      assert.equal(a.zone, b.zone);
      if (a.zone === "system") return;
      if (a.zone === "ephemeral") return assert.equal(a.id, b.id);
      assert.equal(a.owner, b.owner);
      assert.equal(a.id.split(".")[0], b.id.split(".")[0]);
      // Without an owner each is a tenant of its own, and a session without a rule has a host of its own.
      if (a.owner === undefined) assert.equal(a.id, b.id);
      const isGrouped = ({ id }: { readonly id: string }): boolean =>
        hosts.some(
          ({ match }) =>
            match === "*" || match === id || (match.endsWith(".*") && id.startsWith(match.slice(0, -1))),
        );
      if (a.zone === "session" && a.id !== b.id) assert.ok(isGrouped(a) && isGrouped(b));
    }),
    // Few of them meet in one host.
    { numRuns: 20_000 },
  );
});

test("what a policy calls a group looks like no other tenant and like no capsule (W3)", () => {
  const group = (zone: TrustZone, manifest: Manifest, called?: string): string => {
    const hosts = called === undefined ? [] : [{ match: manifest.id, group: called }];
    return groupOf(manifest, zone, { ...plain, hosts }).group;
  };
  assert.notEqual(group("tenant", owned("acme"), "ada"), group("tenant", owned("acme.x", "ada")));
  assert.notEqual(group("session", owned("acme"), "ada/acme.x"), group("session", owned("acme.x", "ada")));
  assert.notEqual(
    group("session", owned("acme.y", "ada"), "acme.x"),
    group("session", owned("acme.x", "ada")),
  );
});

test("who shares a host: all of zone system, a tenant's own, a session's own, nobody", () => {
  const group = (zone: TrustZone, manifest: Manifest, hosts: Policy["hosts"] = []): string =>
    groupOf(manifest, zone, { ...plain, hosts }).group;
  assert.equal(group("system", owned("vnes.x", "a")), "system");
  assert.equal(group("tenant", owned("acme.x", "ann")), group("tenant", owned("acme.y", "ann")));
  assert.notEqual(group("tenant", owned("acme.x")), group("tenant", owned("acme.y")));
  // Anybody may write an owner into a manifest; only keys of a namespace may sign for its ids.
  assert.notEqual(group("tenant", owned("acme.x", "ann")), group("tenant", owned("evil.x", "ann")));
  assert.notEqual(group("session", owned("acme.x", "ann")), group("session", owned("acme.y", "ann")));
  const together = [{ match: "acme.*", group: "g" }];
  assert.equal(
    group("session", owned("acme.x", "ann"), together),
    group("session", owned("acme.y", "ann"), together),
  );
  assert.notEqual(
    group("ephemeral", owned("acme.x", "ann"), together),
    group("ephemeral", owned("acme.y", "ann"), together),
  );
});
