/** What the transport is asked and configured with, and what it refuses by field. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@vnes/sdk/driver";
import { startTransport } from "../src/transport.ts";
import { createMemoryNetwork } from "./memory-network.ts";
import { definitions, inputProblems, theManifest } from "./spec-check.ts";
import { GATEWAY, LISTEN, lab, call } from "./transport-lab.ts";

test("wrong inputs are refused by field", async () => {
  const it = await lab();
  const good = { pathId: "p", kind: "udp", address: "10.0.0.1", port: 1, peer: it.gateway.publicKey };
  const wrong: [string, Json][] = [
    ["open", { ...good, kind: "pigeon" }],
    ["open", { ...good, address: "example.com" }],
    ["open", { ...good, port: 0 }],
    ["open", { ...good, peer: "AAAA" }],
    ["send", { channelId: "x", frame: [] }],
    ["send", { channelId: "x", frame: { a: -0 } }],
    ["close", { channelId: "x" }],
    ["channels", { channelIds: "x" }],
    ["channels", { channelIds: Array.from({ length: 257 }, () => "x") }],
    ["setActive", { peer: good.peer, channelId: 1, epoch: 1 }],
    ["setActive", { peer: good.peer, channelId: null, epoch: -1 }],
  ];
  for (const [method, input] of wrong) {
    const answer = await call(it.client.driver, method, input);
    assert.ok(
      !answer.ok && answer.code === "TRANSPORT_INPUT_INVALID",
      JSON.stringify([method, input, answer]),
    );
  }
  const unknown = await call(it.client.driver, "fly");
  assert.ok(!unknown.ok && unknown.code === "TRANSPORT_METHOD_UNKNOWN");
});

test("the manifest names every definition, and the schemas refuse what the driver refuses", () => {
  const { input_schemas = [], output_schemas = [], provides } = theManifest.capabilities;
  const named = [...input_schemas, ...output_schemas].map((ref) =>
    ref.replace("spec/schema.json#/$defs/", ""),
  );
  assert.deepEqual(named.toSorted(), definitions.toSorted());
  assert.deepEqual(provides, ["vpn.transport"]);
  assert.deepEqual(theManifest.security?.resources, ["net.udp", "net.tcp", "crypto.channel", "identity"]);
  assert.notDeepEqual(inputProblems("open", { pathId: "p" }), []);
  const peer = "A".repeat(43).concat("=");
  assert.deepEqual(inputProblems("setActive", { peer, channelId: null, epoch: 1, session: "ses_x" }), []);
  assert.notDeepEqual(inputProblems("setActive", { peer, channelId: null, epoch: 1.5 }), []);
});

test("a configuration that is wrong is refused with the pointer", async () => {
  const wrong: [Json, RegExp][] = [
    [{ speed: 1 }, /\/speed/],
    [{ listen: [{ pathId: "a", kind: "udp", address: "here", port: 1 }] }, /\/listen\/0\/address/],
    [{ listen: [LISTEN[0], LISTEN[0]] }, /two listeners/],
    [{ keepaliveMs: 100, silentMs: 150 }, /\/silentMs/],
    [{ pipe: { listen: GATEWAY } }, /\/pipe/],
  ];
  for (const [config, message] of wrong) {
    await assert.rejects(startTransport(createMemoryNetwork().node("10.0.0.1").powers, config), message);
  }
});
