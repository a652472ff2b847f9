/**
 * May a new definition of a topic replace the one its events were kept under, without a new version of the topic?
 *
 * EV1. Whatever the old definition accepts, the new one accepts: kept events and publishers that were not rebuilt stay valid.
 * EV2. What a reader of the old definition could count on stays true: a field that had to be there is still there, and no
 *     field changes its JSON type. A reader must skip fields and schemas it does not know, and meet longer texts, larger
 *     numbers and more values of an `enum`.
 * EV3. When in doubt it says no. Keywords outside the subset below have to be equal on both sides.
 *
 * The subset: `type properties required additionalProperties items enum const`, the bounds of numbers, texts, lists and
 * objects, `pattern format multipleOf uniqueItems`, `$defs` and references into them. Annotations do not count.
 */
import type { JsonObject, TopicDefinition } from "@vnes/schemas";
import { isSame } from "./same-json.ts";
import { additionProblem, type EvolutionProblem } from "./schema-addition.ts";

const OUTSIDE_DEFS = /"\$ref":"#(?!\/\$defs\/)/;

export type { EvolutionProblem } from "./schema-addition.ts";

/** The first rule that `next` breaks as a successor of `before`; undefined when it may take its place. */
export function evolutionProblem(
  before: TopicDefinition,
  next: TopicDefinition,
): EvolutionProblem | undefined {
  return fieldProblem(before, next) ?? schemasProblem(before.schemas, next.schemas);
}

/** Fields that decide where an event goes and what is promised about it. Retention, buffers and texts may change freely. */
function fieldProblem(before: TopicDefinition, next: TopicDefinition): EvolutionProblem | undefined {
  if (before.owner !== next.owner)
    return broken("/owner", "owner-changed", `${before.owner} owns this topic`);
  if (before.quality !== next.quality)
    return broken("/quality", "quality-changed", `subscribers count on ${before.quality}`);
  if (before.partition.count !== next.partition.count || before.partition.key !== next.partition.key)
    return broken("/partition", "partition-changed", "the order of kept events depends on it");
  if (before.flow.policy === "block" && next.flow.policy !== "block")
    return broken("/flow/policy", "flow-weakened", "subscribers count on getting every event");
  if (isCertain(before.flow) && !isCertain(next.flow))
    return broken("/flow/decided_by", "flow-weakened", "subscribers count on getting every event");
  return undefined;
}

/** Nothing can be taken out for a subscriber that lags, whoever is asked. */
function isCertain(flow: TopicDefinition["flow"]): boolean {
  return flow.policy === "block" && flow.decided_by === undefined;
}

function schemasProblem(
  before: readonly JsonObject[],
  next: readonly JsonObject[],
): EvolutionProblem | undefined {
  for (const [index, old] of before.entries()) {
    const now = next[index];
    const pointer = `/schemas/${index}`;
    if (now === undefined) return broken(pointer, "schema-removed", "kept events may need it");
    // A reference into a place that may change would carry the change where it is none (below a `not`, say).
    if (!isSame(old, now) && OUTSIDE_DEFS.test(JSON.stringify([old, now])))
      return broken(pointer, "not-comparable", "a reference leads elsewhere than into $defs");
    const problem = additionProblem(old, now, pointer);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function broken(pointer: string, rule: string, why: string): EvolutionProblem {
  return { pointer, rule, why };
}
