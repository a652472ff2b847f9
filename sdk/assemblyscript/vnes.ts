/**
 * VNES for AssemblyScript, in one file: copy it into a capsule's `src/`. Each function is the one of the import module `vnes`
 * (docs/wasm.md) with strings and `Json` in place of pointers and lengths.
 *
 *     asc src/NAME.ts -o impl/NAME.wasm --use abort=src/vnes/abort --maximumMemory 256 -O
 *
 * The entry file exports `deliver(length: i32): void`, which begins with `Json.take(length)`.
 */

@external("vnes", "take") declare function vnesTake(at: usize): void;
@external("vnes", "at") declare function vnesAt(): i64;
@external("vnes", "random") declare function vnesRandom(): f64;
@external("vnes", "id") declare function vnesId(prefix: usize, prefixLength: i32): i32;
@external("vnes", "get") declare function vnesGet(key: usize, keyLength: i32): i32;
@external("vnes", "version") declare function vnesVersion(key: usize, keyLength: i32): i64;
@external("vnes", "entries") declare function vnesEntries(prefix: usize, prefixLength: i32): i32;
@external("vnes", "set") declare function vnesSet(key: usize, keyLength: i32, value: usize, valueLength: i32, options: usize, optionsLength: i32): void;
@external("vnes", "delete") declare function vnesDelete(key: usize, keyLength: i32, options: usize, optionsLength: i32): void;
@external("vnes", "publish") declare function vnesPublish(topic: usize, topicLength: i32, key: usize, keyLength: i32, event: usize, eventLength: i32): void;
@external("vnes", "call") declare function vnesCall(call: usize, callLength: i32): void;
@external("vnes", "read") declare function vnesRead(read: usize, readLength: i32): void;
@external("vnes", "answer") declare function vnesAnswer(callId: usize, callIdLength: i32, answer: usize, answerLength: i32): void;
@external("vnes", "set_timer") declare function vnesSetTimer(id: usize, idLength: i32, at: i64, payload: usize, payloadLength: i32): void;
@external("vnes", "cancel_timer") declare function vnesCancelTimer(id: usize, idLength: i32): void;
@external("vnes", "log") declare function vnesLog(level: i32, message: usize, messageLength: i32, data: usize, dataLength: i32): void;
@external("vnes", "reply") declare function vnesReply(value: usize, valueLength: i32): void;
@external("vnes", "refuse") declare function vnesRefuse(code: usize, codeLength: i32, message: usize, messageLength: i32, details: usize, detailsLength: i32): void;
@external("vnes", "later") declare function vnesLater(): void;
@external("vnes", "unhandled") declare function vnesUnhandled(): void;
@external("vnes", "fail") declare function vnesFail(message: usize, messageLength: i32): void;

function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

function utf8Of(value: Json | null): ArrayBuffer {
  return value === null ? new ArrayBuffer(0) : utf8((value as Json).toString());
}

function at(bytes: ArrayBuffer): usize {
  return changetype<usize>(bytes);
}

function taken(length: i32): string {
  const bytes = new ArrayBuffer(length);
  vnesTake(changetype<usize>(bytes));
  return String.UTF8.decode(bytes);
}

export enum Level {
  debug = 0,
  info = 1,
  warn = 2,
  error = 3,
}

/** Node time in whole milliseconds. */
export function now(): i64 {
  return vnesAt();
}

/** In [0, 1), from the turn's seed. */
export function random(): f64 {
  return vnesRandom();
}

export function id(prefix: string): string {
  const bytes = utf8(prefix);
  return taken(vnesId(at(bytes), bytes.byteLength));
}

export namespace keys {
  /** Null when the key does not exist. */
  export function get(key: string): Json | null {
    const bytes = utf8(key);
    const length = vnesGet(at(bytes), bytes.byteLength);
    return length < 0 ? null : Json.parse(taken(length));
  }

  /** -1 for a key that did not exist before this turn. */
  export function version(key: string): i64 {
    const bytes = utf8(key);
    return vnesVersion(at(bytes), bytes.byteLength);
  }

  /** A list of `[key, value]`, sorted by key. */
  export function entries(prefix: string): Json {
    const bytes = utf8(prefix);
    return Json.parse(taken(vnesEntries(at(bytes), bytes.byteLength)));
  }

  /** `options`: `{"expect": version or null, "ttlMs": n}`, either of them or both. */
  export function set(key: string, value: Json, options: Json | null = null): void {
    const k = utf8(key);
    const v = utf8Of(value);
    const o = utf8Of(options);
    vnesSet(at(k), k.byteLength, at(v), v.byteLength, at(o), o.byteLength);
  }

  export function remove(key: string, options: Json | null = null): void {
    const k = utf8(key);
    const o = utf8Of(options);
    vnesDelete(at(k), k.byteLength, at(o), o.byteLength);
  }
}

export function publish(topic: string, key: string, event: Json): void {
  const t = utf8(topic);
  const k = utf8(key);
  const e = utf8Of(event);
  vnesPublish(at(t), t.byteLength, at(k), k.byteLength, at(e), e.byteLength);
}

/** `{"capability", "method", "input", "tag"}` and, where wanted, `context` and `timeoutMs`. */
export function call(request: Json): void {
  const bytes = utf8Of(request);
  vnesCall(at(bytes), bytes.byteLength);
}

/** `{"capsule", "tag"}`, `keys` or `prefix`, and, where wanted, `shard`, `after`, `limit`, `context`, `timeoutMs`. */
export function read(request: Json): void {
  const bytes = utf8Of(request);
  vnesRead(at(bytes), bytes.byteLength);
}

/** Ends a call that was left for later: `{"ok": true, "value"}` or `{"ok": false, "code", "message"}`. */
export function answer(callId: string, value: Json): void {
  const c = utf8(callId);
  const v = utf8Of(value);
  vnesAnswer(at(c), c.byteLength, at(v), v.byteLength);
}

export function setTimer(name: string, dueAt: i64, payload: Json | null = null): void {
  const n = utf8(name);
  const p = utf8Of(payload);
  vnesSetTimer(at(n), n.byteLength, dueAt, at(p), p.byteLength);
}

export function cancelTimer(name: string): void {
  const bytes = utf8(name);
  vnesCancelTimer(at(bytes), bytes.byteLength);
}

export function log(level: Level, message: string, data: Json | null = null): void {
  const m = utf8(message);
  const d = utf8Of(data);
  vnesLog(level, at(m), m.byteLength, at(d), d.byteLength);
}

/** Ends the call that is being handled with a value. */
export function reply(value: Json): void {
  const bytes = utf8Of(value);
  vnesReply(at(bytes), bytes.byteLength);
}

/** Ends it with a coded error; effects already asked for are kept. */
export function refuse(code: string, message: string, details: Json | null = null): void {
  const c = utf8(code);
  const m = utf8(message);
  const d = utf8Of(details);
  vnesRefuse(at(c), c.byteLength, at(m), m.byteLength, at(d), d.byteLength);
}

/** Ends it in a later turn, with `answer`. */
export function later(): void {
  vnesLater();
}

/** This capsule has no handler for what it was told. */
export function unhandled(): void {
  vnesUnhandled();
}

/** Fails the turn: nothing of it is kept. */
export function fail(message: string): void {
  const bytes = utf8(message);
  vnesFail(at(bytes), bytes.byteLength);
}

/** For `--use abort=src/vnes/abort`: a failed assertion fails the turn by its message. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "aborted" : message;
  const where = file === null ? "" : ` (${file}:${line}:${column})`;
  fail(what + where);
  unreachable();
}

enum Kind {
  nothing,
  truth,
  number,
  text,
  list,
  record,
}

/** JSON. Numbers are kept as they stand, so one that is only handed on stays what it was. */
export class Json {
  private kind: Kind = Kind.nothing;
  /** Text of a string; the number as it stands; `true` or `false`. */
  private raw: string = "";
  private items: Json[] = [];
  private names: string[] = [];

  /** What waits: the delivery, whose length `deliver` was called with. */
  static take(length: i32): Json {
    return Json.parse(taken(length));
  }

  static parse(text: string): Json {
    return new Parser(text).whole();
  }

  static nothing(): Json {
    return new Json();
  }

  static truth(value: bool): Json {
    return Json.of(Kind.truth, value ? "true" : "false");
  }

  static integer(value: i64): Json {
    return Json.of(Kind.number, value.toString());
  }

  static number(value: f64): Json {
    const whole = <i64>value;
    const isWhole = <f64>whole == value && whole < 9007199254740992 && whole > -9007199254740992;
    return Json.of(Kind.number, isWhole ? whole.toString() : value.toString());
  }

  /** A number as it is to stand. */
  static numeral(value: string): Json {
    return Json.of(Kind.number, value);
  }

  static text(value: string): Json {
    return Json.of(Kind.text, value);
  }

  static list(items: Json[] = []): Json {
    const json = Json.of(Kind.list, "");
    json.items = items;
    return json;
  }

  static record(): Json {
    return Json.of(Kind.record, "");
  }

  private static of(kind: Kind, raw: string): Json {
    const json = new Json();
    json.kind = kind;
    json.raw = raw;
    return json;
  }

  /** Of a record; what is absent reads as null. */
  get(name: string): Json {
    const index = this.names.indexOf(name);
    return index < 0 ? Json.nothing() : this.items[index];
  }

  /** Of a list. */
  at(index: i32): Json {
    return this.items[index];
  }

  /** Items of a list. */
  get length(): i32 {
    return this.items.length;
  }

  /** Adds to a record, to be written in a row. */
  with(name: string, value: Json): Json {
    this.names.push(name);
    this.items.push(value);
    return this;
  }

  /** Adds to a list. */
  push(value: Json): void {
    this.items.push(value);
  }

  get isNothing(): bool {
    return this.kind == Kind.nothing;
  }

  asText(): string {
    return this.kind == Kind.text ? this.raw : "";
  }

  asInteger(): i64 {
    return this.kind == Kind.number ? <i64>parseFloat(this.raw) : 0;
  }

  asNumber(): f64 {
    return this.kind == Kind.number ? parseFloat(this.raw) : 0;
  }

  toString(): string {
    const out: string[] = [];
    this.write(out);
    return out.join("");
  }

  private write(out: string[]): void {
    switch (this.kind) {
      case Kind.nothing: {
        out.push("null");
        return;
      }
      case Kind.text: {
        out.push(quoted(this.raw));
        return;
      }
      case Kind.list:
      case Kind.record: {
        const isRecord = this.kind == Kind.record;
        out.push(isRecord ? "{" : "[");
        for (let index = 0; index < this.items.length; index++) {
          if (index > 0) out.push(",");
          if (isRecord) {
            out.push(quoted(this.names[index]));
            out.push(":");
          }
          this.items[index].write(out);
        }
        out.push(isRecord ? "}" : "]");
        return;
      }
      default: {
        out.push(this.raw);
      }
    }
  }
}

function quoted(text: string): string {
  let from = 0;
  let out = '"';
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    const isPair = (unit & 0xfc00) == 0xd800 && index + 1 < text.length && (text.charCodeAt(index + 1) & 0xfc00) == 0xdc00;
    if (isPair) {
      index += 1;
      continue;
    }
    // Half a pair is no UTF-8, and JSON has a way to write it all the same.
    const isHalf = unit >= 0xd800 && unit < 0xe000;
    if (unit >= 0x20 && unit != 0x22 && unit != 0x5c && !isHalf) continue;
    out += text.substring(from, index) + "\\u" + unit.toString(16).padStart(4, "0");
    from = index + 1;
  }
  return out + text.substring(from) + '"';
}

/** What the host hands over is JSON already, so it is read and not judged. */
class Parser {
  private index: i32 = 0;

  constructor(private readonly text: string) {}

  whole(): Json {
    return this.value();
  }

  private value(): Json {
    this.space();
    const unit = this.text.charCodeAt(this.index);
    if (unit == 0x7b) return this.record();
    if (unit == 0x5b) return this.list();
    if (unit == 0x22) return Json.text(this.string());
    if (unit == 0x74) return this.word(4, Json.truth(true));
    if (unit == 0x66) return this.word(5, Json.truth(false));
    if (unit == 0x6e) return this.word(4, Json.nothing());
    return this.number();
  }

  private record(): Json {
    const json = Json.record();
    this.index += 1;
    this.space();
    while (this.text.charCodeAt(this.index) != 0x7d) {
      this.space();
      const name = this.string();
      this.space();
      this.index += 1;
      json.with(name, this.value());
      this.space();
      if (this.text.charCodeAt(this.index) == 0x2c) this.index += 1;
    }
    this.index += 1;
    return json;
  }

  private list(): Json {
    const json = Json.list();
    this.index += 1;
    this.space();
    while (this.text.charCodeAt(this.index) != 0x5d) {
      json.push(this.value());
      this.space();
      if (this.text.charCodeAt(this.index) == 0x2c) this.index += 1;
    }
    this.index += 1;
    return json;
  }

  private string(): string {
    this.index += 1;
    let from = this.index;
    let out = "";
    while (true) {
      const unit = this.text.charCodeAt(this.index);
      if (unit == 0x22) break;
      if (unit != 0x5c) {
        this.index += 1;
        continue;
      }
      out += this.text.substring(from, this.index);
      const escape = this.text.charCodeAt(this.index + 1);
      this.index += 2;
      if (escape == 0x75) {
        out += String.fromCharCode(<i32>parseInt(this.text.substring(this.index, this.index + 4), 16));
        this.index += 4;
      } else {
        out += escaped(escape);
      }
      from = this.index;
    }
    out = from == this.index && out == "" ? "" : out + this.text.substring(from, this.index);
    this.index += 1;
    return out;
  }

  private number(): Json {
    const from = this.index;
    while (this.index < this.text.length && isNumeral(this.text.charCodeAt(this.index))) this.index += 1;
    assert(this.index > from, "not JSON");
    return Json.numeral(this.text.substring(from, this.index));
  }

  private word(length: i32, json: Json): Json {
    this.index += length;
    return json;
  }

  private space(): void {
    while (this.index < this.text.length && this.text.charCodeAt(this.index) <= 0x20) this.index += 1;
  }
}

function isNumeral(unit: i32): bool {
  return (unit >= 0x30 && unit <= 0x39) || unit == 0x2b || unit == 0x2d || unit == 0x2e || unit == 0x45 || unit == 0x65;
}

function escaped(unit: i32): string {
  if (unit == 0x6e) return "\n";
  if (unit == 0x74) return "\t";
  if (unit == 0x72) return "\r";
  if (unit == 0x62) return "\b";
  if (unit == 0x66) return "\f";
  return String.fromCharCode(unit);
}
