/** Opens this node to the others: from here on their effects, events, questions and calls find who they are for. */
import type { RemoteRoutes } from "../../cluster/remote-routes.ts";
import { keyHash } from "../../bus/routing.ts";
import { isDurable } from "../../bus/topics.ts";
import type { Capsule } from "./capsule-table.ts";
import type { NodeContext } from "./node-context.ts";

export function serveOthers(
  { order, table, board, router, reads, outside, watch }: NodeContext,
  remote: RemoteRoutes,
): void {
  remote.serve({
    program: programOf(order.map((id) => table.get(id))),
    topics: [...board.topics].flatMap(([name, topic]) => (isDurable(topic) ? [] : [name])),
    effect: (entry, { confirm, refuse }) => router.arrive(entry, confirm, refuse),
    event: (topic, key, event) => router.arriveEphemeral(topic, key, event),
    answer: async (question) => {
      if (question.kind === "read") return reads.answerOther(question.request, question.reader);
      const { capability, method, input, timeoutMs } = question;
      const [stall] = watch.problems();
      if (stall !== undefined) return { ok: false, code: stall.code, message: stall.message };
      return outside.call(capability, method, input, timeoutMs, true);
    },
    holds: board.flow,
    partition: (shard) => board.partitions.get(shard),
  });
}

/**
 * Equal where the same capsules run: what they are made of, without the receipts, which every machine signs with keys of
 * its own. It tells mistakes apart, not attackers: whoever is on the bus was let in.
 */
function programOf(capsules: readonly Capsule[]): string {
  const files = capsules.map(({ id, image }) => [
    id,
    ...image.files.flatMap(({ path, sha256 }) => (path === RECEIPT ? [] : [path, sha256])),
  ]);
  return keyHash(JSON.stringify(files)).toString(16);
}

const RECEIPT = "receipt.stunir.json";
