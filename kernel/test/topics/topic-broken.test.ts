/** A fault in the kernel while an event is appended: the partition stands still, everybody can see it, and the next boot goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerMemory, MemoryClock } from "@vnes/driver-memory";
import type { Digest } from "@vnes/kernel";
import { noter, numbers, reader, TOPIC } from "../harness/topic-capsules.ts";
import { bootTopics, type TopicNode } from "../harness/topic-harness.ts";
import { digest } from "../harness/shard-harness.ts";

/** Fails at the record of one event, as a bug in what makes records would. */
const faulty: Digest = {
  sha256: (...chunks) => {
    const text = Buffer.concat(chunks).toString("latin1");
    if (text.includes('"kind":"event"') && text.includes('"n":3}')) throw new Error("a bug");
    return digest.sha256(...chunks);
  },
};

async function said(node: TopicNode): Promise<unknown[]> {
  return (await node.records("kernel/test")).flatMap((record) =>
    record.kind === "kernel" && record.fact["code"] === "TOPIC_PARTITION_BROKEN"
      ? [[record.fact["about"], record.fact["capsule"], record.fact["message"]]]
      : [],
  );
}

test("a partition that broke makes the node degraded, is said once, and refuses people; a boot goes on with what waits (P2)", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const lines: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: ({ code, stack }: { readonly [key: string]: unknown }) => {
      lines.push(`${String(code)} ${String(stack).slice(0, 12)}`);
    },
  };
  const capsules = [noter(), reader()];
  const node = await bootTopics(capsules, { memory, clock, parts: { digest: faulty, log } });
  await node.notes(3);
  assert.equal((await node.node.status()).state, "running");
  await node.notes(2, 3);
  await node.notes(2, 5);
  assert.deepEqual(await node.got(), numbers(0, 3));
  const message = `a fault in the kernel: partition 0 of ${TOPIC} takes no more events (a bug)`;
  assert.deepEqual(await said(node), [["topic", "test.noter", message]]);
  assert.deepEqual(lines, ["TOPIC_PARTITION_BROKEN Error: a bug"]);
  const { state, problems } = await node.node.status();
  assert.deepEqual(
    [state, problems.map(({ code, message: text }) => [code, text])],
    ["degraded", [["TOPIC_PARTITION_BROKEN", message]]],
  );
  assert.match(problems[0]?.remedy ?? "", /vnes boot/);
  await assert.rejects(node.node.topics.publish(TOPIC, "k", { n: 9 }), { code: "TOPIC_PARTITION_BROKEN" });
  await node.close();

  const again = await bootTopics(capsules, { memory, clock });
  await again.settle();
  assert.deepEqual(await again.got(), numbers(0, 7));
  assert.equal((await again.node.status()).state, "running");
  await again.close();
});

test("who publishes the event that breaks a partition, and who publishes beside them, is told at once; a boot goes on with both", async () => {
  const memory = new LedgerMemory();
  const clock = new MemoryClock();
  const capsules = [noter(), reader()];
  const node = await bootTopics(capsules, { memory, clock, parts: { digest: faulty } });
  const publish = (n: number): Promise<unknown> => node.node.topics.publish(TOPIC, "k", { n });
  await publish(1);
  const code = (error: { readonly code?: string }): string | undefined => error.code;
  const both = Promise.all([publish(3).catch(code), publish(4).catch(code)]);
  await node.settle();
  const waits = new Promise((resolve) => setImmediate(resolve, "it waits"));
  assert.deepEqual(await Promise.race([both, waits]), ["TOPIC_PARTITION_BROKEN", "TOPIC_PARTITION_BROKEN"]);
  await node.close();

  const again = await bootTopics(capsules, { memory, clock });
  await again.settle();
  assert.deepEqual(await again.got(), [1, 3, 4]);
  await again.close();
});
