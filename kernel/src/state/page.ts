/** The first part of a list that fits an answer: by number and by JSON, and at least one, so that asking on always ends. */

/** UTF-16 code units of JSON in one answer to a person: a sixteenth of what the command line takes. */
export const MAX_PAGE_SIZE: number = 1024 * 1024;

export function firstPage<Item>(items: readonly Item[], limit: number): readonly Item[] {
  let size = 0;
  for (const [index, item] of items.entries()) {
    size += sizeOfJson(item);
    if (index >= limit || (index > 0 && size > MAX_PAGE_SIZE)) return items.slice(0, index);
  }
  return items;
}

export function sizeOfJson(value: unknown): number {
  return JSON.stringify(value).length;
}
