/** The functions of the import module `vnes`: those of the sdk's `Turn`, with texts as pointer and length (`docs/wasm.md`). */
import type { VNES_IMPORTS } from "@vnes/kernel";
import { type Answer, later, MAX_LOG_LINES, refuse, type WriteOptions } from "@vnes/sdk/adapter";
import type { GuestTurn } from "./guest-turn.ts";
import { decodeLossy } from "./utf8.ts";

export type Functions<Table> = { readonly [name in keyof Table]: (...args: never[]) => unknown };

const LEVELS = ["debug", "info", "warn", "error"] as const;
const MAX_FAIL_BYTES = 500;
/** The sdk keeps 2,000 UTF-16 code units of a line; more bytes than they can have are not looked at. */
const MAX_LOG_BYTES = 8_000;

/** `current` throws where no turn runs: while the module is being set up. */
export function vnesFunctions(current: () => GuestTurn): Functions<typeof VNES_IMPORTS> {
  const bounded = (turn: GuestTurn, at: number, length: number, most: number, what: string): string =>
    decodeLossy(turn.bytes(at, Math.min(length >>> 0, most), what));
  return {
    take: (at: number) => current().take(at),
    at: () => BigInt(current().run.at),
    random: () => current().run.random(),
    id(prefix: number, prefixLength: number) {
      const turn = current();
      return turn.give(turn.run.id(turn.text(prefix, prefixLength, "id prefix")));
    },
    get(key: number, keyLength: number) {
      const turn = current();
      const value = turn.run.keys.get(turn.text(key, keyLength, "key"));
      return value === undefined ? -1 : turn.give(JSON.stringify(value));
    },
    version(key: number, keyLength: number) {
      const turn = current();
      return BigInt(turn.run.keys.version(turn.text(key, keyLength, "key")) ?? -1);
    },
    entries(prefix: number, prefixLength: number) {
      const turn = current();
      return turn.give(JSON.stringify(turn.run.keys.entries(turn.text(prefix, prefixLength, "prefix"))));
    },
    set(
      key: number,
      keyLength: number,
      value: number,
      valueLength: number,
      options: number,
      optionsLength: number,
    ) {
      const turn = current();
      const name = turn.text(key, keyLength, "key");
      const what = `write ${name}`;
      const written = turn.json(value, valueLength, what);
      turn.run.keys.set(name, written, writeOptions(turn, options, optionsLength, what));
    },
    delete(key: number, keyLength: number, options: number, optionsLength: number) {
      const turn = current();
      const name = turn.text(key, keyLength, "key");
      turn.run.keys.delete(name, writeOptions(turn, options, optionsLength, `delete ${name}`));
    },
    publish(
      topic: number,
      topicLength: number,
      key: number,
      keyLength: number,
      event: number,
      eventLength: number,
    ) {
      const turn = current();
      const name = turn.text(topic, topicLength, "topic");
      const what = `publish ${name}`;
      turn.run.publish(name, turn.text(key, keyLength, what), turn.json(event, eventLength, what));
    },
    call(call: number, callLength: number) {
      const turn = current();
      const asked = turn.record(call, callLength, "call");
      if (!areTexts(asked, ["capability", "method", "tag"]))
        turn.invalid("call", "capability, method and tag are strings");
      turn.run.call(asked as never);
    },
    read(read: number, readLength: number) {
      const turn = current();
      const asked = turn.record(read, readLength, "read");
      if (!areTexts(asked, ["capsule", "tag"])) turn.invalid("read", "capsule and tag are strings");
      turn.run.read(asked as never);
    },
    answer(callId: number, callIdLength: number, answer: number, answerLength: number) {
      const turn = current();
      const id = turn.text(callId, callIdLength, "call id");
      turn.run.answer(id, turn.record(answer, answerLength, `answer ${id}`) as unknown as Answer);
    },
    set_timer(id: number, idLength: number, at: bigint, payload: number, payloadLength: number) {
      const turn = current();
      const name = turn.text(id, idLength, "timer");
      turn.run.setTimer(name, Number(at), turn.optional(payload, payloadLength, `timer ${name}`) ?? null);
    },
    cancel_timer(id: number, idLength: number) {
      const turn = current();
      turn.run.cancelTimer(turn.text(id, idLength, "timer"));
    },
    log(level: number, message: number, messageLength: number, data: number, dataLength: number) {
      const turn = current();
      const said = LEVELS[level] ?? "info";
      // Counted, and not looked at.
      if ((turn.run.logs?.length ?? 0) >= MAX_LOG_LINES) return turn.run.log(said, "");
      const text = bounded(turn, message, messageLength, MAX_LOG_BYTES, "log");
      turn.run.log(said, text, turn.optional(data, dataLength, "log"));
    },
    reply(value: number, valueLength: number) {
      const turn = current();
      turn.end({ returned: turn.json(value, valueLength, "reply") }, "reply");
    },
    refuse(
      code: number,
      codeLength: number,
      message: number,
      messageLength: number,
      details: number,
      detailsLength: number,
    ) {
      const turn = current();
      const refusal = refuse(
        turn.text(code, codeLength, "refuse"),
        turn.text(message, messageLength, "refuse"),
        turn.optional(details, detailsLength, "refuse"),
      );
      turn.end({ returned: refusal }, "refuse");
    },
    later: () => current().end({ returned: later }, "later"),
    unhandled: () => current().end({ unhandled: true }, "unhandled"),
    fail(message: number, messageLength: number) {
      const turn = current();
      turn.run.fail("TURN_HANDLER_THREW", bounded(turn, message, messageLength, MAX_FAIL_BYTES, "fail"));
    },
  };
}

function writeOptions(turn: GuestTurn, at: number, length: number, what: string): WriteOptions {
  return length === 0 ? {} : (turn.record(at, length, what) as WriteOptions);
}

function areTexts(record: { readonly [name: string]: unknown }, names: readonly string[]): boolean {
  return names.every((name) => typeof record[name] === "string");
}
