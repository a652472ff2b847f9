/** What is too long for one command says how to come to the rest of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "@vnes/schemas";
import { listSessions } from "../../cli/src/commands/session.ts";
import { olderOnes } from "../../cli/src/commands/session-history.ts";
import type { ControlClient } from "../../cli/src/control/client.ts";

/** A node with so many pages of sessions and no client, as far as `session list` asks. */
function nodeWith(pages: number): ControlClient {
  const request = (_method: string, { capability, input }: JsonObject): Promise<JsonObject> => {
    if (capability !== "vpn.session")
      return Promise.resolve({ ok: false, code: "CALL_CAPABILITY_UNAVAILABLE", message: "none" });
    const { after = "0" } = input as { readonly after?: string };
    const page = Number(after) + 1;
    const sessions = [{ sessionId: `ses_${page}` }];
    return Promise.resolve({ ok: true, value: { sessions, next: page < pages ? `${page}` : null } });
  };
  return { request } as unknown as ControlClient;
}

test("a list of more sessions than one command asks for says where it goes on; a whole one does not", async () => {
  const whole = await listSessions(nodeWith(50));
  assert.deepEqual([whole.sessions.length, whole.cut, whole.next], [50, false, null]);
  const cut = await listSessions(nodeWith(51));
  assert.deepEqual([cut.sessions.length, cut.cut, cut.next], [50, true, "50"]);
});

test("a client that has no session yet has an empty list; a node without VPN says what it lacks", async () => {
  const answer = (provided: readonly string[]): ControlClient => {
    const request = (_method: string, { capability }: JsonObject): Promise<JsonObject> =>
      Promise.resolve(
        provided.includes(capability as string)
          ? { ok: true, value: { session: null } }
          : { ok: false, code: "CALL_CAPABILITY_UNAVAILABLE", message: "none" },
      );
    return { request } as unknown as ControlClient;
  };
  assert.deepEqual(await listSessions(answer(["vpn.client"])), { sessions: [], cut: false, next: null });
  await assert.rejects(listSessions(answer([])), { code: "CALL_CAPABILITY_UNAVAILABLE" });
});

test("a history that is cut leads to a larger limit only where that finds more", () => {
  assert.match(olderOnes(100, 100), /--limit 400$/);
  assert.match(olderOnes(4_000, 4_000), /--limit 10000$/);
  for (const [shown, limit] of [
    [10_000, 10_000],
    [7, 100],
    [0, 100],
  ] as const)
    assert.match(olderOnes(shown, limit), /vnes topic tail vpn\.session\.v1 --from 1$/);
});
