/** `name[@range]` against `name[@version]`: exact, `^`, `~` and `>=`, as npm's semver reads them, without pre-releases. */

export interface Requirement {
  readonly name: string;
  /** Null: any version. */
  readonly range: string | null;
}

type Version = readonly [major: number, minor: number, patch: number];

export function parseRequirement(text: string): Requirement {
  const at = text.indexOf("@");
  return at < 0 ? { name: text, range: null } : { name: text.slice(0, at), range: text.slice(at + 1) };
}

/** A provider that names no version satisfies any range: it has promised nothing to break. */
export function satisfies(version: string | null, range: string | null): boolean {
  if (range === null || version === null) return true;
  const match = /^(\^|~|>=)?(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(range);
  if (match === null) return false;
  const [, operator = "", major = "0", minor, patch] = match;
  const low: Version = [Number(major), Number(minor ?? 0), Number(patch ?? 0)];
  const is = parseVersion(version);
  if (compare(is, low) < 0) return false;
  if (operator === ">=") return true;
  return compare(is, ceiling(operator, low, minor !== undefined, patch !== undefined)) < 0;
}

/** The first version the range excludes. */
function ceiling(operator: string, low: Version, hasMinor: boolean, hasPatch: boolean): Version {
  const [major, minor, patch] = low;
  if (operator === "^") {
    if (major > 0 || !hasMinor) return [major + 1, 0, 0];
    if (minor > 0 || !hasPatch) return [0, minor + 1, 0];
    return [0, 0, patch + 1];
  }
  if (!hasMinor) return [major + 1, 0, 0];
  if (operator === "~" || !hasPatch) return [major, minor + 1, 0];
  return [major, minor, patch + 1];
}

function parseVersion(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.split(".").map(Number);
  return [major, minor, patch];
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
