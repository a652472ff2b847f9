/** Which shard of a capsule and which partition of a topic a key belongs to: stable across versions and machines. */

/** FNV-1a over UTF-16 code units, 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv). Spread, not secrecy. */
export function keyHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash ^= key.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

export function slotOf(key: string, slots: number): number {
  return slots === 1 ? 0 : keyHash(key) % slots;
}

export function capsuleShard(capsule: string, slot: number): string {
  return `${capsule}/${slot}`;
}

/** Id of the capsule that a `capsuleShard` is one of. */
export function capsuleOf(shard: string): string {
  return shard.slice(0, shard.lastIndexOf("/"));
}

export function topicShard(topic: string, partition: number): string {
  return `topic/${topic}/${partition}`;
}

export function kernelShard(node: string): string {
  return `kernel/${node}`;
}

/** The string a JSON pointer leads to, or undefined: RFC 6901, for strings and numbers only. */
export function stringAt(value: unknown, pointer: string): string | undefined {
  let current: unknown = value;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, name)) return undefined;
    current = (current as Record<string, unknown>)[name];
  }
  return typeof current === "string" || typeof current === "number" ? String(current) : undefined;
}
