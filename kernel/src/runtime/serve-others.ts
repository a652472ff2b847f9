/** Opens this node to the others: from here on their effects, events, questions and calls find who they are for. */
import type { RemoteRoutes } from "../cluster/remote-routes.ts";
import { keyHash } from "../bus/routing.ts";
import { isDurable } from "../bus/topics.ts";
import type { NodeContext } from "./node-context.ts";

export function serveOthers(
  { order, table, board, router, reads, outside }: NodeContext,
  remote: RemoteRoutes,
): void {
  const images = order.map((id) => [id, table.get(id).image.hash]);
  remote.serve({
    program: keyHash(JSON.stringify(images)).toString(16),
    topics: [...board.topics].flatMap(([name, topic]) => (isDurable(topic) ? [] : [name])),
    effect: (entry, { confirm, refuse }) => router.arrive(entry, confirm, refuse),
    event: (topic, key, event) => router.arriveEphemeral(topic, key, event),
    answer: (question) => {
      if (question.kind === "read") return reads.answer(question.request, question.reader);
      const { capability, method, input, timeoutMs } = question;
      return outside.call(capability, method, input, timeoutMs, true);
    },
    partition: (shard) => board.partitions.get(shard),
  });
}
