/** What each control method does to a node. Params were checked by the schema before they come here. */
import type { Node } from "@vnes/kernel";
import type { ControlMethod, Json, JsonObject } from "@vnes/schemas";
import { CALL_TIMEOUT_MS } from "./bounds.ts";
import { branchAnswer } from "./branch-methods.ts";
import type { Jobs } from "./jobs.ts";
import { answerTopic } from "./topic-methods.ts";
import { stateAnswer } from "./state-methods.ts";

/** What the control socket offers of a node, and of the quarantine beside it. */
export interface ControlledNode
  extends Pick<
    Node,
    "status" | "inspect" | "suspend" | "resume" | "unload" | "quarantined" | "call" | "topics"
  > {
  /** One entry with its evidence; rejects with `QUARANTINE_ENTRY_UNKNOWN`. */
  showQuarantined(entry: string): Promise<Json>;
  /** Params of the control method; stops when the signal says so. */
  replay(params: JsonObject, signal: AbortSignal, tell: (progress: Json) => void): Promise<Json>;
  exportReceipt(params: JsonObject): Promise<Json>;
  readonly jobs: Jobs;
  readonly state: Node["state"];
}

export async function answer(node: ControlledNode, method: ControlMethod, params: JsonObject): Promise<Json> {
  const text = (name: string): string => params[name] as string;
  switch (method) {
    case "topic.list":
    case "topic.show":
    case "topic.read":
    case "topic.publish":
    case "topic.replay":
      return asJson(await answerTopic(node.topics, method, params));
    case "status":
      return asJson(await node.status());
    case "capsules":
      return asJson((await node.status()).capsules);
    case "inspect":
      return await node.inspect(text("capsule"));
    case "suspend":
      return asJson(await node.suspend(text("capsule")));
    case "resume":
      return asJson(await node.resume(text("capsule")));
    case "unload":
      return asJson(await node.unload(text("capsule")));
    case "quarantine.list":
      return asJson(await node.quarantined());
    case "quarantine.show":
      return await node.showQuarantined(text("entry"));
    case "replay":
      return { job: node.jobs.start((signal, tell) => node.replay(params, signal, tell)) };
    case "receipt.export":
      return await node.exportReceipt(params);
    case "replay.look":
      return asJson(await node.jobs.look(text("job"), (params["wait_ms"] as number | undefined) ?? 0));
    case "state.read":
    case "state.at":
    case "state.history":
    case "state.diff":
      return asJson(await stateAnswer(node.state, method, params));
    case "branch.new":
    case "branch.list":
    case "branch.show":
    case "branch.run":
    case "branch.diff":
    case "branch.discard":
      return asJson(await branchAnswer(node.state, method, params));
    case "call": {
      const timeoutMs = (params["timeout_ms"] as number | undefined) ?? CALL_TIMEOUT_MS;
      return asJson(await node.call(text("capability"), text("method"), params["input"] ?? {}, timeoutMs));
    }
  }
}

/** The kernel's read-only interfaces hold JSON only, which TypeScript cannot see of an interface. */
function asJson(value: object): Json {
  return value as unknown as Json;
}
