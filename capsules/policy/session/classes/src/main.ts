/** `session_policy`: the policy of a session by the class of its client. */
import { capsule, type Json, type Turn } from "@vnes/sdk";
import { type Classes, parseConfig } from "./classes.ts";

function session(turn: Turn, input: Json): Json {
  const { peer } = input as { readonly peer: string };
  const { classes, members } = turn.keys.get("config") as unknown as Classes;
  const name = Object.hasOwn(members, peer) ? members[peer] : undefined;
  const policy = name === undefined ? undefined : classes[name];
  return { policy: policy ?? {}, reason: name === undefined ? "no class" : `class ${name}` };
}

export default capsule({
  start(turn, config) {
    turn.keys.set("config", parseConfig(config));
  },
  calls: { "session_policy.session": session },
});
