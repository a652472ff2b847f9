/** The name of one effect of one record: what receivers use to drop what they have seen. */

export interface EffectId {
  readonly shard: string;
  readonly seq: number;
  readonly index: number;
}

export function formatEffectId(id: EffectId): string {
  return `${id.shard}:${id.seq}:${id.index}`;
}

/** Undefined for anything that `formatEffectId` did not make. */
export function parseEffectId(text: string): EffectId | undefined {
  const match = /^([^:]+):(\d{1,16}):(\d{1,9})$/.exec(text);
  if (match === null) return undefined;
  const [, shard = "", seq = "", index = ""] = match;
  return { shard, seq: Number(seq), index: Number(index) };
}

/** How far a receiver has consumed the effects of one sender. */
export interface Watermark {
  readonly seq: number;
  readonly index: number;
}

export function isAtOrBelow(id: Watermark, watermark: Watermark | undefined): boolean {
  if (watermark === undefined) return false;
  return id.seq < watermark.seq || (id.seq === watermark.seq && id.index <= watermark.index);
}
