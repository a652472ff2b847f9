/** `vnes topic tail`: kept events of a topic as they are, and as they come. */
import type { EventPage, EventPlace, KeptEvent, TopicView } from "@vnes/kernel";
import type { Argv } from "yargs";
import type { ControlClient } from "../control/client.ts";
import { harmless } from "../output/text.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";
import { parsePlace } from "./topic.ts";

/** Shown without `--from`. */
const LAST_EVENTS = 10;
const PAGE_EVENTS = 64;
/** How long one question waits at the node for a new event. */
const WAIT_MS = 1_000;

export function addTopicTail(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "tail <topic>",
    "Show kept events of a topic, a line each",
    (args) =>
      args
        .positional("topic", { type: "string", demandOption: true, describe: "Such as vpn.session.v1" })
        .option("from", {
          type: "string",
          requiresArg: true,
          describe: `Seq or time; default the last ${LAST_EVENTS}`,
        })
        .option("partition", { type: "number", requiresArg: true, describe: "Only this one; default all" })
        .option("follow", { alias: "f", type: "boolean", default: false, describe: "Go on with what comes" }),
    async (args) => {
      const { topic, follow } = args;
      const from = args.from === undefined ? undefined : parsePlace(args.from);
      await withNode(shell, args, async (client) => {
        const { lastSeqs } = (await client.request("topic.show", { topic })) as unknown as TopicView;
        const partitions =
          args.partition === undefined ? lastSeqs.map((_, index) => index) : [args.partition];
        // A topic that keeps nothing says so when it is read.
        const wanted = partitions.length === 0 ? [0] : partitions;
        const ends = wanted.map((index) => lastSeqs[index] ?? 0);
        const tail = new Tail(client, shell, topic);
        await Promise.all(
          wanted.map((partition, index) => tail.run(partition, from ?? lastOnes(ends[index] ?? 0), follow)),
        );
      });
    },
  );
}

function lastOnes(last: number): EventPlace {
  return { seq: Math.max(1, last - LAST_EVENTS + 1) };
}

class Tail {
  readonly #client: ControlClient;
  readonly #shell: Shell;
  readonly #topic: string;
  #isOver = false;

  constructor(client: ControlClient, shell: Shell, topic: string) {
    this.#client = client;
    this.#shell = shell;
    this.#topic = topic;
  }

  /** Resolves at the end of what there is, or when the process is asked to end. */
  async run(partition: number, place: EventPlace, follow: boolean): Promise<void> {
    if (follow) void this.#shell.stopRequested().then(() => (this.#isOver = true));
    for (let from = place; !this.#isOver; ) {
      const page = await this.#read(partition, from, follow ? WAIT_MS : 0);
      for (const event of page.events) this.#show(event);
      if (!follow && page.next > page.last) return;
      from = { seq: page.next };
    }
  }

  async #read(partition: number, from: EventPlace, waitMs: number): Promise<EventPage> {
    const params = { topic: this.#topic, partition, from: { ...from }, limit: PAGE_EVENTS, wait_ms: waitMs };
    return (await this.#client.request("topic.read", params)) as unknown as EventPage;
  }

  #show(kept: KeptEvent): void {
    const { partition, seq, at, key, event } = kept;
    const text = `${partition}:${seq}  ${new Date(at).toISOString()}  ${key}  ${JSON.stringify(event)}`;
    this.#shell.output.data("vnes.topic.event.v1", { topic: this.#topic, ...kept }, harmless(text));
  }
}
