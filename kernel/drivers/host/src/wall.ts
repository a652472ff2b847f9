/**
 * What stands between a host process and the machine, as far as a host process needs to know: something that starts the
 * program with the descriptors of the host protocol, and clears up after it.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Confinement } from "@vnes/kernel";
import { hostErrors } from "./errors.ts";
import type { HostProgram } from "./host-program.ts";
import { makeNice, SessionNice } from "./session-nice.ts";
import { startChild } from "./start-child.ts";

export interface Wall {
  /**
   * Standard input from nowhere, output and descriptor 3 as pipes, a process group of its own, directory `/`. Never throws for what only the machine knows: the child then dies with the reason as its last words.
   */
  start(program: HostProgram): Walled;
}

export interface Walled {
  readonly child: ChildProcess;
  /** Adds so much to the niceness it was started with. */
  makeNicer(more: number): void;
  /** Ends the child and everything it started, at any moment of its life. */
  kill(): void;
  /** Everything behind the wall stands still, or goes on. Absent without a wall: who is stopped does not hear that its kernel is gone. */
  rest?(isResting: boolean): void;
  /** Called once, when the process is gone. Why it is, where the wall knows better than the process's end does. */
  ended(): string | undefined;
}

/** The wall that a confinement asks for. Throws when there is none: what is to be confined never runs without. */
export type WallOf = (confinement: Confinement | undefined) => Wall;

/** What every host is told, wherever it runs. */
export const HOST_ENV: { readonly [name: string]: string } = { TZ: "UTC", LANG: "C" };

/** A process of its own, and nothing more than that it is as nice as `nice` says. */
export const noWall = (nice = 0): Wall => ({
  start(program) {
    const { args, env, bytes } = program;
    const folder = bytes === undefined ? undefined : mkdtempSync(join(tmpdir(), "vnes-host-"));
    let { file } = program;
    if (folder !== undefined && bytes !== undefined) {
      file = join(folder, basename(file));
      writeFileSync(file, bytes, { mode: 0o500 });
    }
    const child = startChild(file, args, { env: { ...HOST_ENV, ...env }, pipes: 3 });
    const session = child.pid === undefined ? undefined : new SessionNice(child.pid);
    child.once("exit", () => session?.end());
    if (child.pid !== undefined && nice > 0) {
      makeNice(child.pid, nice);
      session?.set(nice);
    }
    return {
      child,
      makeNicer: (more) => session?.set(nice + more),
      kill: () => void child.kill("SIGKILL"),
      ended() {
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
        return undefined;
      },
    };
  },
});

/** For a program that puts no walls up. Throws `HOST_WALL_MISSING`. */
export const wallsMissing: WallOf = (confinement) => {
  if (confinement === undefined || confinement.wall === "none") return noWall(confinement?.nice);
  throw hostErrors.create("HOST_WALL_MISSING", { zone: confinement.zone });
};
