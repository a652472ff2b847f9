/**
 * Native programs that mean harm, each a program of its own: the functions of `native.c`, which act on the machine, and of `forger.c`,
 * which speak the host protocol wrongly.
 */
import { readFileSync } from "node:fs";
import { imageOf } from "../../../kernel/contracts/sandbox-lab.ts";
import { compile } from "../../../kernel/drivers/process/test/native-capsule.ts";
import { type Attack, HOST } from "../attack.ts";
import type { Outside } from "../outside.ts";

const ACTING = readFileSync(new URL("./native.c", import.meta.url), "utf8");
const FORGING = readFileSync(new URL("./forger.c", import.meta.url), "utf8");
/** Attacks that a program is not compiled with are not used by it. */
const FLAGS = ["-O1", "-w"];

const KILLED = [HOST];
const MEMORY = [HOST, "TURN_MEMORY", "TURN_DEADLINE"];
const NOTHING = ["done"];

const INVALID = ["SANDBOX_ANSWER_INVALID"];

/** Name of the function, sentence, ways to end. */
type Hostile = readonly [fn: string, name: string, ends: readonly string[], then?: "ends its host"];

const ACTS: readonly Hostile[] = [
  ["loops", "loops", ["TURN_DEADLINE"]],
  ["sleeps", "sleeps", ["TURN_DEADLINE"]],
  ["stops_itself", "stops its own process", ["TURN_DEADLINE"]],
  ["wakes_itself", "stops its own process and would be woken by its own signals", ["TURN_DEADLINE"]],
  ["recurses", "recurses without end", KILLED],
  ["takes_memory", "takes memory without end", MEMORY],
  ["maps_memory", "maps memory without end", MEMORY],
  ["maps_nothing_everywhere", "maps nothing, everywhere", MEMORY],
  ["takes_the_turns_memory", "takes the turn's memory without end", MEMORY],
  ["forks_without_end", "forks without end", ["done", "TURN_DEADLINE", HOST]],
  ["leaves_one_behind", "leaves a process behind", NOTHING],
  ["signals_everybody", "signals every process", ["done", "TURN_DEADLINE", HOST]],
  ["traces", "traces its parent and others", NOTHING],
  ["signals_its_peer", "signals whom its socket leads to", NOTHING],
  ["looks_into_its_reaper", "looks into process 1", NOTHING],
  ["makes_timers", "makes timers without end", NOTHING],
  ["wants_priority", "wants priority and more resources", NOTHING],
  ["reads_files", "reads files, devices and /proc", ["done", "TURN_DEADLINE"]],
  ["reads_environment", "reads the environment, its own and that of others", NOTHING],
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

const FORGERIES: readonly Hostile[] = [
  ["answers_for_another_turn", "answers for another turn", INVALID],
  ["answers_twice", "answers twice", ["done", HOST], "ends its host"],
  ["answers_another_message", "answers a message it was not sent", KILLED],
  ["answers_two_turns", "answers two turns when asked for one", NOTHING],
  ["tells_meters_instead", "tells its meters instead", KILLED],
  ["opens_again", "says again that it is open", KILLED],
  ["greets_again", "greets again", KILLED],
  ["answers_too_late", "answers when its deadline is over", ["TURN_DEADLINE"]],
  ["has_two_of_a_member", "says in one result whose it is, twice", INVALID],
  ["writes_infinity", "writes a number that no double holds", INVALID],
  ["writes_minus_zero", "writes -0", INVALID],
  ["writes_a_prototype", "writes a __proto__ in disguise", INVALID],
  ["is_its_own_prototype", "has its effects in a __proto__", INVALID],
  ["logs_too_much", "says one line of many megabytes", [...INVALID, HOST]],
  ["leaves_half_a_frame", "leaves half a frame", ["TURN_DEADLINE"]],
  ["promises_four_gigabytes", "promises four gigabytes", KILLED],
  ["sends_crumbs", "sends a large message byte by byte", KILLED],
  ["goes_on_in_crumbs", "has answered and goes on byte by byte", ["done", HOST], "ends its host"],
  ["has_more_without_end", "always has more to come, and no result", KILLED],
  ["sends_a_line_of_lists", "sends a message of five million lists", KILLED],
  ["tells_long_numbers", "tells as many numbers of 299 digits as a line holds", NOTHING],
  ["nests_minus_zero", "nests -0 as deep as a line goes", KILLED],
  ["nests_its_line", "nests its message without end", KILLED],
  ["sends_results_of_lists", "has five million lists for results", KILLED],
  ["sends_lists_without_results", "sends five million times no results", KILLED],
  ["sends_line_feeds", "sends line feeds for results", KILLED],
  ["prints_crumbs_without_end", "prints without end, byte by byte", NOTHING],
  ["prints_without_end", "prints without end", NOTHING],
];

export const NATIVE: readonly Attack[] = [
  ...ACTS.map((hostile) => attackOf(ACTING, "ATTACK", hostile)),
  ...FORGERIES.map((hostile) => attackOf(FORGING, "FORGERY", hostile)),
];

function attackOf(source: string, macro: string, [fn, name, ends, then]: Hostile): Attack {
  return {
    name,
    language: "native",
    ends,
    spoils: false,
    endsItsHost: then === "ends its host",
    needsWall: true,
    program: async (outside) => {
      const program = compile(source, [...FLAGS, `-D${macro}=${fn}`, ...macros(outside)]);
      return { image: imageOf({ "impl/hostile_native": program }), entry: "impl/hostile_native" };
    },
    gotHold: (answer) => (typeof answer === "string" ? `it got hold of ${answer}` : undefined),
  };
}

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
