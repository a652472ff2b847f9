/** Order of versions after Semantic Versioning 2.0.0, section 11. Build metadata does not count. */

/** Negative when `a` is older than `b`. Both are `x.y.z` with an optional `-pre.release`. */
export function compareVersions(a: string, b: string): number {
  const [coreA, preA] = split(a);
  const [coreB, preB] = split(b);
  for (let index = 0; index < 3; index += 1) {
    const difference = Number(coreA[index] ?? 0) - Number(coreB[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (preA.length === 0 || preB.length === 0) return preB.length - preA.length;
  for (let index = 0; index < Math.max(preA.length, preB.length); index += 1) {
    const one = preA[index];
    const other = preB[index];
    if (one === undefined || other === undefined) return preA.length - preB.length;
    if (one !== other) return comparePart(one, other);
  }
  return 0;
}

function split(version: string): [core: string[], pre: string[]] {
  const [withoutBuild = ""] = version.split("+");
  const dash = withoutBuild.indexOf("-");
  if (dash < 0) return [withoutBuild.split("."), []];
  return [withoutBuild.slice(0, dash).split("."), withoutBuild.slice(dash + 1).split(".")];
}

function comparePart(a: string, b: string): number {
  const numericA = /^\d+$/.test(a);
  const numericB = /^\d+$/.test(b);
  if (numericA && numericB) return Number(a) - Number(b);
  if (numericA !== numericB) return numericA ? -1 : 1;
  return a < b ? -1 : 1;
}
