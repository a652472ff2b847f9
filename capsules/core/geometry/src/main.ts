/** `geometry`: round trips estimated from measured ones. The model decides; this keeps what it learned. */
import { capsule, type Json, type Turn } from "@vnes/sdk";
import { parseConfig } from "./config.ts";
import { fromTable, type Model, vivaldi } from "./model.ts";
import * as store from "./store.ts";
import { isRtt, learn, ORIGIN, seedOf } from "./vivaldi.ts";

const COORDINATES_DEFAULT = 64;

/** Events and inputs arrive checked against their schemas. */
type Sample = { readonly from: string; readonly to: string; readonly rttMs: number };
type EstimateInput = { readonly from: string; readonly to: readonly string[] };
type CoordinatesInput = { readonly after?: string; readonly limit?: number };

function onSample(turn: Turn, event: Json): void {
  const { from, to, rttMs } = event as unknown as Sample;
  const { keys, at } = turn;
  const config = store.loadConfig(keys);
  if (from === to || !isRtt(rttMs)) return store.count(keys, "refused");
  if (config.model === "static") return store.count(keys, "unused");
  if (store.loadCounts(keys).peers === 0) turn.setTimer("sweep", at + config.maxAgeMs);
  const [a, b] = [store.placeOf(keys, from), store.placeOf(keys, to)];
  const [nextA, nextB] = learn(a ?? ORIGIN, b ?? ORIGIN, rttMs, seedOf(from, to));
  store.place(keys, from, { ...nextA, samples: (a?.samples ?? 0) + 1, at }, to);
  store.place(keys, to, { ...nextB, samples: (b?.samples ?? 0) + 1, at }, from);
  store.count(keys, "samples");
}

/** Runs while there are peers, so that a node without samples rests. */
function sweep(turn: Turn): void {
  const config = store.loadConfig(turn.keys);
  if (config.model === "static") return;
  store.evictOlder(turn.keys, turn.at - config.maxAgeMs);
  if (store.loadCounts(turn.keys).peers > 0) turn.setTimer("sweep", turn.at + config.maxAgeMs);
}

function modelOf(turn: Turn): Model {
  const config = store.loadConfig(turn.keys);
  if (config.model === "static") return fromTable(config.table);
  return vivaldi((peer) => store.placeOf(turn.keys, peer));
}

export default capsule({
  start(turn, raw) {
    const config = parseConfig(raw);
    store.saveConfig(turn.keys, config);
    const { peers } = store.loadCounts(turn.keys);
    if (config.model === "vivaldi" && peers > 0) turn.setTimer("sweep", turn.at + config.maxAgeMs);
  },
  events: { "geometry.sample.v1": onSample },
  calls: {
    "geometry.estimate": (turn, input) => {
      const { from, to } = input as unknown as EstimateInput;
      const estimate = modelOf(turn);
      return { model: store.loadConfig(turn.keys).model, estimates: to.map((peer) => estimate(from, peer)) };
    },
    "geometry.coordinates": (turn, input) => {
      const { after = "", limit = COORDINATES_DEFAULT } = input as CoordinatesInput;
      const left = store.allPlaces(turn.keys).filter(([peer]) => peer > after);
      const page = left.slice(0, limit);
      const last = page.at(-1)?.[0] ?? null;
      return {
        model: store.loadConfig(turn.keys).model,
        peers: page.map(([peer, placed]) => ({ peer, ...placed })),
        next: left.length > page.length ? last : null,
        counters: store.loadCounts(turn.keys),
      };
    },
  },
  timers: { sweep },
});
