/** What the control methods about topics do to a node. Params were checked by the schema before they come here. */
import type { EventPlace, TopicControl } from "@vnes/kernel";
import type { ControlMethod, Json, JsonObject } from "@vnes/schemas";

const LIMIT = 64;

export async function answerTopic(
  topics: TopicControl,
  method: Extract<ControlMethod, `topic.${string}`>,
  params: JsonObject,
): Promise<object> {
  const topic = params["topic"] as string;
  const from = (params["from"] ?? { seq: 1 }) as EventPlace;
  const partition = params["partition"] as number | undefined;
  switch (method) {
    case "topic.list":
      return { topics: await topics.list() };
    case "topic.show":
      return await topics.show(topic);
    case "topic.read": {
      const limit = (params["limit"] as number | undefined) ?? LIMIT;
      const waitMs = (params["wait_ms"] as number | undefined) ?? 0;
      return await topics.read({ topic, partition: partition ?? 0, from, limit, waitMs });
    }
    case "topic.publish":
      return await topics.publish(
        topic,
        (params["key"] as string | undefined) ?? "",
        params["event"] as Json,
      );
    case "topic.replay":
      return {
        places: await topics.replay({ topic, capsule: params["capsule"] as string, from, partition }),
      };
  }
}
