/** `vnes topic list|show|publish|replay`: the topics of a running node and what their subscribers make of them. */
import type { EventPlace, SubscriberPlace, TopicSummary, TopicView } from "@vnes/kernel";
import { type Json, parseInstant } from "@vnes/schemas";
import type { Argv } from "yargs";
import type { OlderAnswer } from "../control/older-answer.ts";
import { cliErrors } from "../errors.ts";
import { DEAD_LETTERS } from "../output/inspection.ts";
import type { Output } from "../output/output.ts";
import { fields, jsonText, table } from "../output/text.ts";
import { parseArgument } from "../parse-json.ts";
import { type GlobalFlags, type Shell, withNode } from "../shell.ts";

type PlaceAnswer = OlderAnswer<SubscriberPlace, "decidedBy" | "unrecorded">;
type TopicAnswer = OlderAnswer<Omit<TopicView, "places">, "firstSeqs" | "kept"> & {
  readonly places: readonly PlaceAnswer[];
};

const NAME = { type: "string", demandOption: true, describe: "Such as vpn.session.v1" } as const;

export function addTopicList(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "list",
    "List the topics of a running node, and how far their subscribers are",
    (args) => args,
    async (args) => {
      const { topics } = (await withNode(shell, args, (client) =>
        client.request("topic.list"),
      )) as unknown as { readonly topics: readonly TopicSummary[] };
      const sum = (topic: TopicSummary, of: "lag" | "shed" | "merged" | "deadLetters"): number =>
        topic.subscribers.reduce((all, counts) => all + counts[of], 0);
      const text = table(topics, [
        { title: "topic", value: ({ topic }) => topic },
        { title: "owner", value: ({ owner }) => owner },
        { title: "quality", value: ({ quality }) => quality },
        { title: "policy", value: ({ policy, held }) => (held ? `${policy}, holds` : policy) },
        { title: "kept", value: ({ kept }) => kept ?? "-", align: "right" },
        { title: "written", value: ({ events }) => events ?? "-", align: "right" },
        { title: "subscribers", value: ({ subscribers }) => subscribers.length, align: "right" },
        { title: "lag", value: (topic) => sum(topic, "lag"), align: "right" },
        { title: "taken out", value: (topic) => sum(topic, "shed") + sum(topic, "merged"), align: "right" },
        { title: "dead letters", value: (topic) => sum(topic, "deadLetters"), align: "right" },
      ]);
      shell.output.data("vnes.topic.list.v1", { topics }, topics.length === 0 ? "no topics" : text);
    },
  );
}

export function addTopicShow(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "show <topic>",
    "Show a topic: its definition, its partitions, and where each subscriber is",
    (args) => args.positional("topic", NAME),
    async (args) => {
      const view = (await withNode(shell, args, (client) =>
        client.request("topic.show", { topic: args.topic }),
      )) as unknown as TopicAnswer;
      shell.output.data("vnes.topic.show.v1", view, viewText(shell.output, view));
    },
  );
}

function viewText(output: Output, view: TopicAnswer): string {
  const { definition, places, held } = view;
  const { partition, retention, flow } = definition;
  const head = fields([
    ["topic", view.topic],
    ["about", definition.description],
    ["owner", view.owner],
    ["quality", view.quality],
    ["partitions", `${partition.count}, by ${partition.key ?? "the publisher's key"}`],
    ["events", eventsText(view)],
    ["retention", JSON.stringify(retention)],
    ["flow", `${JSON.stringify(flow)}${held ? ", holds its publishers back" : ""}`],
  ]);
  const readers = table(places, [
    { title: "subscriber", value: ({ shard }) => shard },
    { title: "partition", value: ({ partition: index }) => index ?? "-", align: "right" },
    { title: "position", value: ({ position }) => position ?? "-", align: "right" },
    { title: "lag", value: ({ lag, buffer }) => `${lag} of ${buffer}`, align: "right" },
    { title: "policy now", value: policyText },
    { title: "rate/s", value: ({ ratePerS }) => ratePerS ?? "-", align: "right" },
    { title: "batch", value: ({ batch }) => batch?.count ?? "-", align: "right" },
    { title: "shed", value: ({ shed }) => shed, align: "right" },
    { title: "merged", value: ({ merged }) => merged, align: "right" },
    { title: "unrecorded", value: ({ unrecorded }) => unrecorded ?? "-", align: "right" },
    { title: "retried", value: ({ retried }) => retried, align: "right" },
    { title: "dead letters", value: ({ deadLetters }) => deadLetters, align: "right" },
  ]);
  const schemas = definition.schemas.map((schema) => jsonText(schema)).join("\n");
  const letters = places.some(({ deadLetters }) => deadLetters > 0)
    ? `\n${output.next(`dead letters: ${DEAD_LETTERS}`)}`
    : "";
  return `${head}\n\n${places.length === 0 ? "no subscribers" : readers}${letters}\n\nschemas\n${schemas}`;
}

function policyText({ policy, decidedBy = null }: PlaceAnswer): string {
  return decidedBy === null ? policy : `${policy}, by ${decidedBy}`;
}

/** An older node does not say what it has kept. */
function eventsText({ lastSeqs, firstSeqs, kept, events }: TopicAnswer): string {
  if (lastSeqs.length === 0) return "not kept";
  const runs = lastSeqs.map((last, index) =>
    last === 0
      ? `${index}: none`
      : `${index}: ${firstSeqs === undefined ? "up" : (firstSeqs[index] ?? 1)} to ${last}`,
  );
  const held = kept === undefined ? "" : `${kept ?? 0} kept of `;
  return `${runs.join("  ")}; ${held}${events ?? 0} written`;
}

export function addTopicPublish(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "publish <topic> <event>",
    "Publish one event; where events are kept it is in its partition when this returns",
    (args) =>
      args
        .positional("topic", NAME)
        .positional("event", { type: "string", demandOption: true, describe: "JSON" })
        .option("key", {
          type: "string",
          default: "",
          requiresArg: true,
          describe: "Picks the partition, unless the topic names a field for that",
        }),
    async (args) => {
      const { topic, key } = args;
      const event = parseEvent(args.event);
      const done = (await withNode(shell, args, (client) =>
        client.request("topic.publish", { topic, key, event }),
      )) as { readonly partition: number; readonly source: string | null };
      const kept = done.source === null ? "not kept" : `by ${done.source}`;
      const text = `published  ${topic} partition ${done.partition}, ${kept}`;
      shell.output.data("vnes.topic.publish.v1", { topic, key, ...done }, text);
    },
  );
}

function parseEvent(text: string): Json {
  return parseArgument(text, "The event", (reason) => cliErrors.create("TOPIC_EVENT_NOT_JSON", { reason }));
}

export function addTopicReplay(yargs: Argv<GlobalFlags>, shell: Shell): Argv<GlobalFlags> {
  return yargs.command(
    "replay <topic>",
    "Deliver kept events to a subscriber again, with everything its turns bring about",
    (args) =>
      args
        .positional("topic", NAME)
        .option("to", {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "Subscriber's capsule id",
        })
        .option("from", {
          type: "string",
          demandOption: true,
          requiresArg: true,
          describe: "Seq, or time such as 2026-01-31T12:00:00Z",
        })
        .option("partition", { type: "number", requiresArg: true, describe: "Only this one; default all" })
        .option("yes", {
          type: "boolean",
          default: false,
          describe: "Yes, run the turns and their effects again",
        }),
    async (args) => {
      const { topic, to: capsule, partition, yes } = args;
      const from = parsePlace(args.from);
      if (!yes) throw cliErrors.create("TOPIC_REPLAY_UNCONFIRMED", { topic, capsule, from: args.from });
      const params = { topic, capsule, from: { ...from }, ...(partition === undefined ? {} : { partition }) };
      const { places } = (await withNode(shell, args, (client) =>
        client.request("topic.replay", params),
      )) as unknown as { readonly places: readonly Replayed[] };
      const text = table(places, [
        { title: "subscriber", value: ({ shard }) => shard },
        { title: "partition", value: (place) => place.partition, align: "right" },
        { title: "from", value: (place) => place.from, align: "right" },
        { title: "events", value: ({ events }) => events, align: "right" },
      ]);
      shell.output.data("vnes.topic.replay.v1", { topic, capsule, places }, text);
    },
  );
}

interface Replayed {
  readonly shard: string;
  readonly partition: number;
  readonly from: number;
  readonly events: number;
}

/** A whole number is a seq, anything else an instant as in RFC 3339. */
export function parsePlace(text: string): EventPlace {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return { seq: Number(text) };
  const time = parseInstant(text);
  if (time === undefined) throw cliErrors.create("TOPIC_PLACE_INVALID", { text });
  return { time };
}
