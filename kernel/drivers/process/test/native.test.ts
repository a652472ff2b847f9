/** What a native program can do to its process and to the protocol, and what it cannot do to its turns. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { SandboxInstance } from "@vnes/kernel";
import { isVnesError, type Json, type TurnRequest } from "@vnes/schemas";
import { nativeExecutor, openProcessSandbox } from "../src/index.ts";
import { compile, nativeSpec } from "./native-capsule.ts";
import { callOf, told, valueOf } from "../../../contracts/sandbox-lab.ts";

const sandbox = openProcessSandbox(nativeExecutor);
after(() => sandbox[Symbol.asyncDispose]());

const program = compile(
  `#define VNES_IMPLEMENTATION
#include "vnes.h"
#define CALL(name) static vnes_value *name(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info)
#define UNUSED (void)turn, (void)input, (void)info

CALL(ok) { UNUSED; return (vnes_value *)input; }
CALL(loop) { UNUSED; while (true) { } return NULL; }
CALL(pauses) { UNUSED; sleep(100); return NULL; }
CALL(hog) { UNUSED; while (true) memset(vnes_alloc(turn, 1 << 20), 1, 1 << 20); return NULL; }
CALL(once) { static int calls; return calls++ == 0 ? ok(turn, input, info) : hog(turn, input, info); }
CALL(half) { UNUSED; memset(vnes_alloc(turn, 16 << 20), 1, 16 << 20); return NULL; }
CALL(ends) { UNUSED; _exit(0); }
CALL(crashes) { UNUSED; abort(); }
CALL(fails) { UNUSED; vnes_set(turn, "n", NULL); vnes_fail(turn, "asked to"); }
CALL(prints) { UNUSED; for (int n = 0; n < 100000; n++) puts("printed"); fflush(stdout); return NULL; }
CALL(chats) { UNUSED; for (int n = 0; n < 100; n++) vnes_log(turn, "loud", "line", input); return NULL; }
CALL(floods) { UNUSED; while (true) vnes_publish(turn, "t", "k", NULL); return NULL; }
CALL(giant) { UNUSED; char *key = vnes_alloc(turn, 100001); memset(key, 'k', 100000); vnes_set(turn, key, NULL); return NULL; }
CALL(deep) { UNUSED; vnes_value *value = vnes_new_array(turn); vnes_push(turn, value, value); return value; }
CALL(bytes) { UNUSED; return vnes_new_text(turn, "\\xff"); }
CALL(sets) { UNUSED; vnes_set(turn, "a\\xff", NULL); return NULL; }
CALL(deletes) { UNUSED; vnes_delete(turn, "a\\xff"); return NULL; }
CALL(gets) { UNUSED; return (vnes_value *)vnes_get(turn, "a\\xff"); }
CALL(reads) { UNUSED; return (vnes_value *)vnes_get(turn, "gone"); }
CALL(versions) { UNUSED; return vnes_new_number(turn, (double)vnes_version(turn, "a\\xff")); }
CALL(lists) { UNUSED; const vnes_entry *entries; return vnes_new_number(turn, (double)vnes_entries(turn, "a\\xff", &entries)); }
CALL(longs) { UNUSED; char *key = vnes_alloc(turn, 10001); memset(key, 'k', 10000); vnes_set(turn, key, vnes_new_number(turn, -0.0)); return NULL; }
CALL(halves) { UNUSED; char text[502] = {0}; memset(text, 'x', 499); strcpy(text + 499, "\\xc3\\xa9"); vnes_fail(turn, text); }
CALL(zero) { UNUSED; return vnes_new_number(turn, -0.0); }
CALL(large) { UNUSED; return vnes_new_number(turn, 9007199254740992.0); }
CALL(proto) { UNUSED; vnes_value *value = vnes_new_object(turn); vnes_put(turn, value, "__proto__", NULL); return value; }
CALL(wrong) { UNUSED; vnes_put(turn, vnes_new_array(turn), "a", NULL); return NULL; }
CALL(order) {
  UNUSED;
  vnes_set(turn, "o", input);
  const vnes_value *kept = vnes_get(turn, "o");
  vnes_value *names = vnes_new_array(turn);
  for (size_t index = 0; index < vnes_count(kept); index++) vnes_push(turn, names, vnes_new_text(turn, vnes_name_at(kept, index)));
  return names;
}

static const vnes_call_handler calls[] = {
  {"t.ok", ok}, {"t.loop", loop}, {"t.pauses", pauses}, {"t.hog", hog}, {"t.once", once}, {"t.half", half}, {"t.ends", ends},
  {"t.crashes", crashes}, {"t.fails", fails}, {"t.prints", prints}, {"t.chats", chats}, {"t.floods", floods},
  {"t.giant", giant}, {"t.deep", deep}, {"t.bytes", bytes}, {"t.zero", zero}, {"t.large", large}, {"t.proto", proto},
  {"t.wrong", wrong}, {"t.order", order}, {"t.sets", sets}, {"t.deletes", deletes}, {"t.gets", gets}, {"t.reads", reads}, {"t.versions", versions},
  {"t.lists", lists}, {"t.longs", longs}, {"t.halves", halves}, {NULL, NULL},
};
int main(void) {
  static const vnes_handlers handlers = {.calls = calls};
  return vnes_serve(&handlers);
}`,
);

const open = (limits: Parameters<typeof nativeSpec>[1] = {}): Promise<SandboxInstance> =>
  sandbox.open(nativeSpec(program, limits));

for (const method of ["loop", "pauses"]) {
  test(`a turn that hangs (${method}) fails alone: those before it are kept, those behind it come again`, async () => {
    const one = await open();
    const results = await one.deliver([callOf("ok"), callOf("ok"), callOf(method), callOf("ok")]);
    assert.deepEqual(told(results), ["done", "done", "TURN_DEADLINE", "needKeys"]);
    assert.deepEqual(told(await one.deliver([callOf("ok"), callOf("ok")])), ["done", "done"]);
  });
}

test("a turn at the memory limit ends in TURN_MEMORY, and the next one has all of it", async () => {
  const one = await open({ limits: { turnMs: 5_000 } });
  const results = await one.deliver([callOf("ok"), callOf("hog"), callOf("ok")]);
  assert.deepEqual(told(results), ["done", "TURN_MEMORY", "needKeys"]);
  assert.deepEqual(told(await one.deliver([callOf("half"), callOf("half"), callOf("half")])), [
    "done",
    "done",
    "done",
  ]);
});

test("a program that spoils its process turn after turn gets new ones ever more slowly, and loses nothing (P3)", async () => {
  const one = await open({ limits: { turnMs: 5_000 } });
  for (let count = 0; count < 5; count++)
    assert.deepEqual(told(await one.deliver([callOf("hog")])), ["TURN_MEMORY"]);
  const spoiltAt = performance.now();
  assert.equal(valueOf((await one.deliver([callOf("ok", 7)]))[0]), 7);
  // At once, then after 50, 100, 200 and 400 ms; this side may have heard of the last answer a moment late.
  assert.ok(performance.now() - spoiltAt >= 350, `${performance.now() - spoiltAt} ms`);
  await one.dispose();
});

test("a turn that goes well as soon as its process is fresh has that more slowly each time too (P3)", async () => {
  const one = await open({ limits: { turnMs: 5_000 } });
  const openedAt = performance.now();
  for (let count = 0; count < 6; count++)
    assert.equal(valueOf((await one.deliver([callOf("once", count)]))[0]), count);
  // The first one needs no new process; then as above.
  assert.ok(performance.now() - openedAt >= 700, `${performance.now() - openedAt} ms`);
  await one.dispose();
});

test("what cannot be kept fails its turn by name and leaves nothing behind", async () => {
  const one = await open({ limits: { memoryMb: 256, turnMs: 5_000 } });
  const methods = ["fails", "floods", "giant", "deep", "bytes", "zero", "large", "proto", "wrong", "none"];
  const results = await one.deliver(methods.map((method) => callOf(method)));
  assert.deepEqual(told(results), [
    "TURN_HANDLER_THREW",
    "TURN_EFFECTS_TOO_LARGE",
    "TURN_EFFECTS_TOO_LARGE",
    "TURN_EFFECT_INVALID",
    "TURN_EFFECT_INVALID",
    "TURN_EFFECT_INVALID",
    "TURN_EFFECT_INVALID",
    "TURN_EFFECT_INVALID",
    "TURN_HANDLER_THREW",
    "done",
  ]);
  assert.equal((valueOf(results.at(-1)) as { code: string }).code, "CALL_METHOD_UNKNOWN");
});

test("a name that is no UTF-8 fails its turn by name, and a message about a long one is cut in its middle", async () => {
  const one = await open({ limits: { turnMs: 5_000 } });
  const methods = ["sets", "deletes", "gets", "versions", "lists", "longs", "halves"];
  const results = await one.deliver(methods.map((method) => callOf(method)));
  assert.deepEqual(told(results), [...Array<string>(6).fill("TURN_EFFECT_INVALID"), "TURN_HANDLER_THREW"]);
  const [long = "", half] = results
    .slice(5)
    .map((result) => (result.kind === "failed" ? result.message : ""));
  assert.match(long, /^write k{494}\.\.\.k+: -0 does not survive JSON$/);
  assert.equal(half, "x".repeat(499));
});

test("a key that is not there has its room in the cache once, however often it is given", async () => {
  const one = await open({ limits: { cacheBytes: 10_000 } });
  const given = callOf("reads", null, { keys: [["gone"]] });
  const batch = Array.from({ length: 64 }, (_, nth) => (nth % 2 === 0 ? given : callOf("reads")));
  for (let round = 0; round < 20; round++) {
    const results = await one.deliver(batch);
    assert.ok(results.every(({ kind }) => kind === "done"));
  }
});

test("values come back as they were given: every character, half a surrogate pair, each number", async () => {
  const one = await open();
  const values: Json[] = [
    null,
    [true, false, 0, -1, 0.1, 1e-7, 5e-324, 2 ** 53 - 1, -(2 ** 53 - 1), 123456.789],
    ["", '\u0000\u001f\u007f"\\/\b\f\n\r\t', "é\u2028\uffee", "😀", "\ud800", "a\udc00\ud800b", "\ud83d"],
    { "": 1, a: { b: [{}, []] }, "1": 2 },
  ];
  const results = await one.deliver(values.map((value) => callOf("ok", value)));
  assert.deepEqual(results.map(valueOf), values);
  const [order] = await one.deliver([callOf("order", { b: 1, "10": 2, "9": 3, "01": 4 })]);
  assert.deepEqual(valueOf(order), ["9", "10", "b", "01"]);
});

test("what it prints is dropped beyond a bound, and what it logs is bounded and counted", async () => {
  const one = await open({ limits: { turnMs: 5_000 } });
  const [prints, chats] = await one.deliver([callOf("prints"), callOf("chats", { n: 1 })]);
  assert.equal(prints?.kind, "done");
  const logs = chats?.kind === "done" ? (chats.logs ?? []) : [];
  assert.equal(logs.length, 65);
  assert.deepEqual(logs[0], { level: "info", message: "line", data: { n: 1 } });
  assert.match(logs.at(-1)?.message ?? "", /^36 more lines/);
});

for (const method of ["ends", "crashes"]) {
  test(`a program that ${method} in the middle of a turn rejects what it owed`, async () => {
    const one = await open();
    await assert.rejects(one.deliver([callOf("ok"), callOf(method)]), { code: "SANDBOX_HOST_DIED" });
    await assert.rejects(one.deliver([callOf("ok")]), { code: "SANDBOX_HOST_DIED" });
    await one.dispose();
  });
}

/** A program that brought its own idea of the protocol: `body` is run for each message behind the one that opens it. */
const rogue = (body: string, hello = '{\\"hello\\":{\\"protocol\\":1,\\"pid\\":1}}'): Uint8Array =>
  compile(
    `#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char in[1 << 20];
static void frame(const char *text) {
  const size_t length = strlen(text);
  const unsigned char header[] = {0, (unsigned char)(length >> 16), (unsigned char)(length >> 8), (unsigned char)length};
  if (write(3, header, 4) != 4 || write(3, text, length) != (ssize_t)length) exit(1);
}
static size_t next(void) {
  unsigned char header[4];
  for (size_t got = 0; got < 4; got++) if (read(3, header + got, 1) != 1) exit(0);
  const size_t size = (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
  for (size_t got = 0; got < size; ) { const ssize_t part = read(3, in + got, size - got); if (part <= 0) exit(0); got += (size_t)part; }
  in[size] = 0;
  return size;
}
int main(void) {
  next();
  frame("${hello}");
  next();
  frame("{\\"did\\":\\"open\\",\\"id\\":0}");
  for (long batch = 0; ; batch++) {
    next();
    const char *at = strstr(in, "\\"turns\\":["), *number = strstr(in, "\\"batch\\":");
    const long turn = at == NULL ? 0 : atol(at + 9), asked = number == NULL ? 0 : atol(number + 8);
    char text[4096];
    (void)turn, (void)asked, (void)text;
    ${body}
  }
}`,
    ["-O2", "-Wno-format-extra-args"],
  );

const ANSWER = (result: string, more = ""): string =>
  `snprintf(text, sizeof text, "{\\"did\\":\\"deliver\\",\\"id\\":0,\\"batch\\":%ld,\\"stops\\":0${more}}\\n${result}", asked, turn); frame(text);`;

const died = { code: "SANDBOX_HOST_DIED" };
const ENDS: { readonly [title: string]: readonly [body: string, end: typeof died | string] } = {
  "is no JSON": [`frame("no JSON");`, died],
  "is longer than a frame": [`if (write(3, "\\xff\\xff\\xff\\xff", 4) != 4) exit(1);`, died],
  "is no message": [`frame("null");`, died],
  "answers what it was not asked": [
    `frame("{\\"did\\":\\"deliver\\",\\"id\\":0,\\"batch\\":99,\\"stops\\":0}\\n[]");`,
    died,
  ],
  "asks where it should answer": [`frame("{\\"do\\":\\"open\\"}");`, died],
  "has another turn's number": [
    ANSWER(`[{\\"turn\\":%ld7,\\"kind\\":\\"done\\",\\"effects\\":[]}]`),
    "SANDBOX_ANSWER_INVALID",
  ],
  "has fewer results than turns": [`${ANSWER("[]")} (void)turn;`, "SANDBOX_ANSWER_INVALID"],
  "has more results than turns": [
    ANSWER(`[{\\"turn\\":%ld,\\"kind\\":\\"done\\",\\"effects\\":[]},{}]`),
    "done",
  ],
  "has an effect that is none": [
    ANSWER(`[{\\"turn\\":%ld,\\"kind\\":\\"done\\",\\"effects\\":[{\\"do\\":\\"own\\"}]}]`),
    "SANDBOX_ANSWER_INVALID",
  ],
  "names no key that it needs": [
    ANSWER(`[{\\"turn\\":%ld,\\"kind\\":\\"needKeys\\",\\"keys\\":[],\\"ranges\\":[]}]`),
    "SANDBOX_ANSWER_INVALID",
  ],
  "says that it goes on and does not": [
    `for (int n = 0; n < 200; n++) { ${ANSWER("[]", ',\\"more\\":true')} usleep(10000); } (void)turn;`,
    died,
  ],
  "is alive and nothing more": [
    `for (int n = 0; n < 200; n++) { frame("{\\"did\\":\\"alive\\"}"); usleep(10000); }`,
    died,
  ],
  "is silence": [`(void)asked;`, "TURN_DEADLINE"],
};

test("a process that goes on talking behind its answer is ended, and costs nobody anything", async () => {
  const answer = ANSWER(`[{\\"turn\\":%ld,\\"kind\\":\\"done\\",\\"effects\\":[]}]`);
  const one = await sandbox.open(nativeSpec(rogue(`${answer} for (;;) frame("{\\"did\\":\\"alive\\"}");`)));
  assert.deepEqual(told(await one.deliver([callOf("ok")])), ["done"]);
  await assert.rejects(one.deliver([callOf("ok")]), died);
});

for (const [title, [body, end]] of Object.entries(ENDS)) {
  test(`an answer that ${title} ends in ${typeof end === "string" ? end : end.code}`, async () => {
    const one = await sandbox.open(nativeSpec(rogue(body)));
    if (typeof end !== "string") return await assert.rejects(one.deliver([callOf("ok")]), end);
    assert.deepEqual(told(await one.deliver([callOf("ok")])), [end]);
    // A new process has taken its place.
    assert.deepEqual(told(await one.deliver([callOf("ok")])), [end]);
    await one.dispose();
  });
}

test("the example of docs/native.md compiles and answers", async () => {
  const page = readFileSync(new URL("../../../../docs/native.md", import.meta.url), "utf8");
  const [, example = ""] = /^```c\n([\s\S]*?)^```$/m.exec(page) ?? [];
  const one = await sandbox.open(nativeSpec(compile(example)));
  const asked = callOf("greet", { name: "Ada" }, { keys: [["greeted/Ada"]] });
  const delivery = { ...asked.delivery, capability: "acme.greeter" } as TurnRequest["delivery"];
  const [greeted] = await one.deliver([{ ...asked, delivery }]);
  assert.deepEqual(valueOf(greeted), { greeting: "Hello, Ada!", times: 1 });
});

test("a program that answers no question of its sandbox does not hold it up", async () => {
  const one = await sandbox.open(nativeSpec(rogue("")));
  await one.reset();
  assert.equal((await one.meters()).turns, 0);
});

test("a program is charged with what it used, whatever it says of itself and however it ends", async () => {
  const one = await sandbox.open(nativeSpec(rogue("for (;;) { }")));
  const asked = one.deliver([callOf("ok")]);
  // Far more than it takes to start one.
  const much = 80;
  // While it runs, and could not be asked.
  for (let cpuMs = 0; cpuMs < much; { cpuMs } = await one.meters()) await pause(10);
  assert.deepEqual(told(await asked), ["TURN_DEADLINE"]);
  const { cpuMs } = await one.meters();
  assert.ok(cpuMs >= much, `only ${cpuMs} ms were charged`);
});

test("a program that speaks another protocol, says nothing, or is no program, is not started", async () => {
  const codes: string[] = [];
  const none = new TextEncoder().encode("#!/nowhere/at/all\n");
  for (const bytes of [
    rogue("", '{\\"hello\\":{\\"protocol\\":2}}'),
    rogue("", "hi"),
    compile("int main(void) { return 3; }"),
    none,
  ]) {
    const refused: unknown = await sandbox.open(nativeSpec(bytes)).catch((error: unknown) => error);
    assert.ok(isVnesError(refused));
    codes.push(refused.code);
  }
  assert.deepEqual(
    codes,
    Array.from({ length: 4 }, () => "SANDBOX_HOST_START_FAILED"),
  );
  await assert.rejects(sandbox.open({ ...nativeSpec(none), entry: "impl/none" }), {
    code: "SANDBOX_BUNDLE_BROKEN",
  });
});
