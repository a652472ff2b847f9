/** Order of capsule versions, which are `x.y.z` and nothing more. */

/** Negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [one, other] = [a.split("."), b.split(".")];
  for (let index = 0; index < 3; index += 1) {
    const difference = Number(one[index]) - Number(other[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}
