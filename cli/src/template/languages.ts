/** What of a new capsule differs by the language it is written in. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DeterminismTier, shellWord } from "@vnes/schemas";

export const TEMPLATE_LANGUAGES = ["typescript", "python", "assemblyscript", "native"] as const;
export type TemplateLanguage = (typeof TEMPLATE_LANGUAGES)[number];

interface LanguageTemplate {
  readonly interfaces: { readonly [language: string]: string };
  readonly tier: DeterminismTier;
  sources(id: string, topic: string): readonly (readonly [path: string, text: string])[];
  /** What is left to do before `vnes capsule build`, with which source. */
  readonly compile?: { readonly source: string; command(dir: string): string };
}

export const languageTemplates: { readonly [language in TemplateLanguage]: LanguageTemplate } = {
  typescript: {
    interfaces: { javascript: "impl/main.js" },
    tier: "D0_bit_exact",
    sources: (id, topic) => [["src/main.ts", typescript(id, topic)]],
  },
  python: {
    interfaces: { python: "impl.main:run" },
    tier: "D0_bit_exact",
    sources: (id, topic) => [
      ["impl/main.py", python(id, topic)],
      ["impl/vnes.py", sdkFile("python/vnes.py")],
    ],
  },
  assemblyscript: {
    interfaces: { wasm: "impl/module.wasm" },
    tier: "D0_bit_exact",
    // Not src/main.ts: that is what vnes builds itself.
    sources: (id, topic) => [
      ["src/module.ts", assemblyscript(id, topic)],
      ["src/vnes.ts", sdkFile("assemblyscript/vnes.ts")],
    ],
    compile: {
      source: "src/module.ts",
      command: (dir) =>
        `asc --baseDir ${shellWord(dir)} src/module.ts -o impl/module.wasm --use abort=src/vnes/abort --maximumMemory 256 -O`,
    },
  },
  native: {
    interfaces: { native: "impl/main" },
    tier: "D2_soft_deterministic",
    sources: (id, topic) => [
      ["src/main.c", native(id, topic)],
      ["src/vnes.h", sdkFile("c/vnes.h")],
    ],
    compile: {
      source: "src/main.c",
      command: (dir) => {
        const [impl, program, source] = ["impl", "impl/main", "src/main.c"].map((path) =>
          shellWord(`${dir}/${path}`),
        );
        return `mkdir -p ${impl} && cc -O2 -o ${program} ${source}`;
      },
    },
  },
};

/** How the source of a template that lies in `dir` is compiled; undefined where there is none. */
export function compileOf(dir: string): { readonly source: string; readonly command: string } | undefined {
  for (const language of TEMPLATE_LANGUAGES) {
    const { compile } = languageTemplates[language];
    if (compile === undefined || !existsSync(join(dir, compile.source))) continue;
    return { source: compile.source, command: compile.command(dir) };
  }
  return undefined;
}

/** The bytes that run are to be bytes of the capsule, so the sdk comes along. */
function sdkFile(path: "python/vnes.py" | "c/vnes.h" | "assemblyscript/vnes.ts"): string {
  return readFileSync(new URL(import.meta.resolve(`@vnes/sdk/${path}`)), "utf8");
}

function typescript(id: string, topic: string): string {
  return `import { capsule, type Json } from "@vnes/sdk";

export default capsule({
  calls: {
    "${id}.greet": (turn, input): Json => {
      // The kernel has checked the input against spec/schema.json.
      const { name } = input as { readonly name: string };
      const key = \`greeted/\${name}\`;
      const times = ((turn.keys.get(key) as number | undefined) ?? 0) + 1;
      turn.keys.set(key, times);
      turn.publish("${topic}", name, { name, times });
      return { greeting: \`Hello, \${name}!\`, times };
    },
  },
});
`;
}

function python(id: string, topic: string): string {
  return `"""The handlers; spec/logic.md says what they should do."""

from .vnes import Capsule

run = Capsule()


@run.call("${id}.greet")
def greet(turn, input):
    # The kernel has checked the input against spec/schema.json.
    name = input["name"]
    times = turn.keys.get("greeted/" + name, 0) + 1
    turn.keys.set("greeted/" + name, times)
    turn.publish("${topic}", name, {"name": name, "times": times})
    return {"greeting": "Hello, " + name + "!", "times": times}
`;
}

function assemblyscript(id: string, topic: string): string {
  return `/** The handlers; spec/logic.md says what they should do. */
import { Json, keys, publish, reply, unhandled } from "./vnes";

export function deliver(length: i32): void {
  const delivery = Json.take(length);
  const kind = delivery.get("kind").asText();
  if (kind == "start") return;
  if (kind == "call" && delivery.get("capability").asText() == "${id}" && delivery.get("method").asText() == "greet") {
    return greet(delivery.get("input"));
  }
  unhandled();
}

function greet(input: Json): void {
  // The kernel has checked the input against spec/schema.json.
  const name = input.get("name").asText();
  const known = keys.get("greeted/" + name);
  const times = (known === null ? 0 : known.asInteger()) + 1;
  keys.set("greeted/" + name, Json.integer(times));
  publish("${topic}", name, Json.record().with("name", Json.text(name)).with("times", Json.integer(times)));
  reply(Json.record().with("greeting", Json.text(\`Hello, \${name}!\`)).with("times", Json.integer(times)));
}
`;
}

function native(id: string, topic: string): string {
  return `/* The handlers; spec/logic.md says what they should do. */
#define VNES_IMPLEMENTATION
#include "vnes.h"

static vnes_value *greet(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)info;
  /* The kernel has checked the input against spec/schema.json. */
  const char *name = vnes_text(vnes_member(input, "name"));
  const char *key = vnes_format(turn, "greeted/%s", name);
  const vnes_value *known = vnes_get(turn, key);
  double times = (known == NULL ? 0 : vnes_number(known)) + 1;
  vnes_value *event = vnes_new_object(turn);

  vnes_set(turn, key, vnes_new_number(turn, times));
  vnes_put(turn, event, "name", vnes_new_text(turn, name));
  vnes_put(turn, event, "times", vnes_new_number(turn, times));
  vnes_publish(turn, "${topic}", name, event);

  vnes_value *answer = vnes_new_object(turn);
  vnes_put(turn, answer, "greeting", vnes_new_text(turn, vnes_format(turn, "Hello, %s!", name)));
  vnes_put(turn, answer, "times", vnes_new_number(turn, times));
  return answer;
}

static const vnes_call_handler calls[] = {{"${id}.greet", greet}, {NULL, NULL}};

int main(void) {
  static const vnes_handlers handlers = {.calls = calls};
  return vnes_serve(&handlers);
}
`;
}
