/** Native programs that mean harm: the functions of `native.c`, each compiled into a program of its own. */
import { readFileSync } from "node:fs";
import { compile } from "../../../kernel/drivers/process/test/native-capsule.ts";
import { imageOf } from "../../../kernel/drivers/process/test/python-capsule.ts";
import { type Attack, HOST } from "../attack.ts";
import type { Outside } from "../outside.ts";

const SOURCE = readFileSync(new URL("./native.c", import.meta.url), "utf8");
/** Attacks that a program is not compiled with are not used by it. */
const FLAGS = ["-O1", "-w"];

const KILLED = [HOST];
const MEMORY = [HOST, "TURN_MEMORY", "TURN_DEADLINE"];
const NOTHING = ["done"];

/** Name of the function, sentence, ways to end. */
const HOSTILE: readonly (readonly [fn: string, name: string, ends: readonly string[]])[] = [
  ["loops", "loops", ["TURN_DEADLINE"]],
  ["sleeps", "sleeps", ["TURN_DEADLINE"]],
  ["stops_itself", "stops its own process", ["TURN_DEADLINE"]],
  ["recurses", "recurses without end", KILLED],
  ["takes_memory", "takes memory without end", MEMORY],
  ["maps_memory", "maps memory without end", MEMORY],
  ["takes_the_turns_memory", "takes the turn's memory without end", MEMORY],
  ["forks_without_end", "forks without end", ["done", "TURN_DEADLINE", HOST]],
  ["leaves_one_behind", "leaves a process behind", NOTHING],
  ["signals_everybody", "signals every process", ["done", "TURN_DEADLINE", HOST]],
  ["traces", "traces its parent and others", NOTHING],
  ["wants_priority", "wants priority and more resources", NOTHING],
  ["reads_files", "reads files, devices and /proc", ["done", "TURN_DEADLINE"]],
  ["follows_links", "follows links and ..", NOTHING],
  ["writes_files", "writes files", NOTHING],
  ["counts_descriptors", "looks for inherited descriptors", NOTHING],
  ["opens_everything", "opens descriptors without end", NOTHING],
  ["connects", "connects to whoever listens", NOTHING],
  ["opens_odd_sockets", "opens sockets of other families", NOTHING],
  ["gains_rights", "wants rights, namespaces and mounts", NOTHING],
  ["asks_for_odd_calls", "asks for system calls nobody needs", NOTHING],
  ["writes_garbage", "writes garbage to the kernel", [HOST, "SANDBOX_ANSWER_INVALID"]],
  ["sends_too_much", "sends a message without end", KILLED],
  ["hangs_up", "hangs up on the kernel", [HOST, "TURN_DEADLINE"]],
  ["exits", "exits within its turn", KILLED],
  ["kills_itself", "kills itself", KILLED],
  ["floods_output", "floods its output", ["done", "TURN_DEADLINE"]],
  ["floods_effects", "floods effects", ["TURN_EFFECTS_TOO_LARGE", "TURN_DEADLINE", "TURN_MEMORY"]],
  ["has_a_giant_key", "writes a giant key", ["TURN_EFFECTS_TOO_LARGE", "TURN_EFFECT_INVALID"]],
  ["corrupts_its_heap", "corrupts its own heap", KILLED],
];

export const NATIVE: readonly Attack[] = HOSTILE.map(([fn, name, ends]) => ({
  name,
  language: "native",
  ends,
  spoils: false,
  needsWall: true,
  program: async (outside) => {
    const program = compile(SOURCE, [...FLAGS, `-DATTACK=${fn}`, ...macros(outside)]);
    return { image: imageOf({ "impl/hostile_native": program }), entry: "impl/hostile_native" };
  },
  gotHold: (answer) => (typeof answer === "string" ? `it got hold of ${answer}` : undefined),
}));

function macros({
  secret,
  secretFile,
  folder,
  port,
  socketPath,
  abstractName,
  pid,
}: Outside): readonly string[] {
  const texts = {
    SECRET: secret,
    FILE: secretFile,
    FOLDER: folder,
    SOCKET: socketPath,
    ABSTRACT: abstractName,
  };
  return [
    ...Object.entries(texts).map(([name, text]) => `-DOUTSIDE_${name}=${JSON.stringify(text)}`),
    `-DOUTSIDE_PORT=${port}`,
    `-DOUTSIDE_PID=${pid}`,
  ];
}
