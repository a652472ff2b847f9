/**
 * Paths a program reads, as what bubblewrap is to put into an empty root: real files and folders bound read-only where they lie, and the
 * symbolic links on the way to them made again, so that every path means there what it means here.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export type Mount =
  | { readonly kind: "bind"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** The kernel's own bound (MAXSYMLINKS). */
const MAX_LINKS = 40;

/** In the order they are to be made; what lies in a bound folder is not named again. A path that is not there is left out: the program will say so. */
export function mountsOf(paths: readonly string[]): readonly Mount[] {
  const links = new Map<string, string>();
  const binds = new Set<string>();
  for (const path of paths) {
    const real = follow(path, links);
    if (real !== undefined) binds.add(real);
  }
  const outermost = [...binds].filter((path) => !isWithin(dirname(path), binds)).sort();
  const kept = new Set(outermost);
  return [
    ...[...links]
      .filter(([path]) => !isWithin(path, kept))
      .map(([path, target]): Mount => ({ kind: "link", path, target })),
    ...outermost.map((path): Mount => ({ kind: "bind", path })),
  ];
}

/** Where `path` really leads; the links it went through are added to `links`. */
function follow(path: string, links: Map<string, string>): string | undefined {
  let rest = resolve(path).split("/").filter(Boolean);
  let real = "/";
  for (let followed = 0; rest.length > 0; ) {
    const [name = "", ...others] = rest;
    const here = join(real, name);
    const stat = lstatSync(here, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink()) {
      real = here;
      rest = others;
      continue;
    }
    followed += 1;
    if (followed > MAX_LINKS) return undefined;
    const target = readlinkSync(here);
    links.set(here, target);
    rest = [...resolve(real, target).split("/").filter(Boolean), ...others];
    real = "/";
  }
  return real;
}

function isWithin(path: string, folders: ReadonlySet<string>): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (folders.has(folder)) return true;
    if (folder === dirname(folder)) return false;
  }
}
