/** What the client asks the capsule `routing`, and what it takes from the answer. Whoever provides routing, its answer is data. */
import type { Json, JsonObject } from "@vnes/sdk";
import type { Candidate, ClientConfig } from "./config.ts";
import { healthOf } from "./draft.ts";
import { recentFailures } from "./paths.ts";
import type { Paths } from "./ranking.ts";
import type { Decision, Place, Ranking } from "./vocabulary.ts";

const MAX_TEXT = 64;

export function rankInput({ self, candidates }: ClientConfig, paths: Paths, at: number): JsonObject {
  return {
    from: self,
    candidates: candidates.map(({ pathId, peer, priority }) => {
      const health = healthOf({ paths }, pathId);
      const { latencyMs, lossPercent } = health;
      return {
        id: pathId,
        peer,
        priority,
        failures: recentFailures(health, at),
        ...(latencyMs === null ? {} : { latencyMs }),
        ...(lossPercent === null ? {} : { lossPercent }),
      };
    }),
  };
}

/** Undefined unless every candidate has one place. */
export function parseRanking(
  value: Json,
  candidates: readonly Candidate[],
): Pick<Ranking, "places" | "geometry"> | undefined {
  const { places, geometry } = fieldsOf(value);
  if (!Array.isArray(places) || places.length !== candidates.length) return undefined;
  const parsed = places.map((item: Json): Place => {
    const { id, decidedBy } = fieldsOf(item);
    return { pathId: typeof id === "string" ? id : "", decidedBy: parseDecision(decidedBy ?? null) };
  });
  const isPlaced = (pathId: string): boolean => parsed.some((place) => place.pathId === pathId);
  if (!candidates.every(({ pathId }) => isPlaced(pathId))) return undefined;
  const { asked, model, problem } = fieldsOf(geometry ?? null);
  const told = { model: textOf(model), problem: textOf(problem) };
  return { places: parsed, geometry: asked === true ? told : null };
}

function parseDecision(value: Json): Decision | null {
  const { criterion, value: own, against, next, unit } = fieldsOf(value);
  const [name, other] = [textOf(criterion), textOf(against)];
  if (name === null || other === null) return null;
  return { criterion: name, value: valueOf(own), against: other, next: valueOf(next), unit: textOf(unit) };
}

function valueOf(value: Json | undefined): number | string | null {
  return typeof value === "number" ? value : textOf(value);
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : null;
}

function fieldsOf(value: Json): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
