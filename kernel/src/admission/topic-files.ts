/** The topic definitions in an image, and whether they may follow those of the version before. */
import { parseTopicDefinition, type TopicDefinition } from "@vnes/schemas";
import { evolutionProblem } from "../bus/evolution.ts";
import { admissionReason } from "./errors.ts";
import type { CapsuleImage } from "./image.ts";
import type { Reason } from "./verdict.ts";

export const TOPIC_FILE: RegExp = /^spec\/topics\/([^/]+)\.json$/;

export interface TopicOffer {
  readonly definition: TopicDefinition;
  /** Hash of the file: a second definition must be byte-equal. */
  readonly hash: string;
}

/** Definitions that cannot be read are left out: admission has told of them. */
export function topicOffers(image: CapsuleImage): readonly TopicOffer[] {
  return image.files.flatMap(({ path, bytes, sha256 }) => {
    if (!TOPIC_FILE.test(path)) return [];
    const parsed = parseTopicDefinition(bytes);
    return parsed.ok ? [{ definition: parsed.value, hash: sha256 }] : [];
  });
}

/** One reason for each topic that was defined before in a way its new definition does not add to. */
export function evolutionReasons(image: CapsuleImage, before: readonly TopicDefinition[]): readonly Reason[] {
  return topicOffers(image).flatMap(({ definition }) => {
    const old = before.find(({ topic }) => topic === definition.topic);
    const reason = old === undefined ? undefined : evolutionReason(old, definition);
    return reason === undefined ? [] : [reason];
  });
}

export function evolutionReason(before: TopicDefinition, next: TopicDefinition): Reason | undefined {
  const problem = evolutionProblem(before, next);
  if (problem === undefined) return undefined;
  const { topic } = next;
  const { pointer, rule, why } = problem;
  const file = `spec/topics/${topic}.json`;
  const details = { topic, pointer, rule, why, next: nextVersion(topic) };
  return admissionReason("TOPIC_SCHEMA_NOT_ADDITIVE", details, { file, pointer });
}

function nextVersion(topic: string): string {
  return topic.replace(/\d+$/, (version) => String(Number(version) + 1));
}
