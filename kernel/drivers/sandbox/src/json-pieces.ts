/**
 * `JSON.parse` of a long text in pieces, so that who reads it can see to others in between. Lists and objects are put together from
 * runs of their members, each of which V8 reads at once.
 *
 * J1. What comes of it is what `JSON.parse` makes of the text, and where that throws, this throws.
 * J2. Between two pieces it looks at no more than `LOOK_BYTES`, and reads no more than `RUN_BYTES` and one text.
 * J3. There is one run at a time, of the innermost frame: a list or an object around the run is a frame itself, and has a comma or its
 *     end to expect behind the one that is within it.
 */

/** V8 reads the densest, members that all have other names, in some hundred microseconds. */
const RUN_BYTES = 8 * 1024;
const LOOK_BYTES = 64 * 1024;

export interface PieceBounds {
  readonly mostValues: number;
  /** Lists and objects within one member of the outermost: as long as they are new, the collector of garbage copies each. */
  readonly mostNested: number;
  /** Levels of lists and objects within each other. */
  readonly deepest: number;
  /** Of a text in it, as it is written. */
  readonly longestText: number;
  /** Of what is read at once; default: `RUN_BYTES`. */
  readonly runBytes?: number;
  /** Whether what was read may be part of it; `level` is that of the list or object around its members, and is 1 at least. */
  isAccepted(run: unknown, level: number): boolean;
}

export interface Whole {
  readonly value: unknown;
  /** Bytes of JSON that V8 writes for a list or object of it; undefined for one that is part of a single run. */
  sizeOf(within: object): number | undefined;
}

/** More than its reader wants. */
export class JsonRefused extends Error {
  /** Members of the outermost list that stand before the one it is about. */
  readonly before: readonly unknown[];

  constructor(message: string, before: readonly unknown[]) {
    super(message);
    this.before = before;
  }
}

const [QUOTE, BACKSLASH, COMMA, LIST, OBJECT] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];
const [LIST_END, OBJECT_END] = [0x5d, 0x7d];
/** With this bit a bracket is a brace. */
const BRACE = 0x20;
const BLANK = /^[ \t\r\n]*$/;

/** Throws `JsonRefused`, and `SyntaxError`. */
export function* parseInPieces(text: Buffer, bounds: PieceBounds): Generator<void, Whole> {
  const frames = new Frames(text, bounds);
  const marks = new Marks(text);
  let values = 0;
  for (let limit = LOOK_BYTES; ; ) {
    const mark = marks.next(limit);
    if (mark === undefined) {
      if (limit >= text.length) return frames.whole();
      limit += LOOK_BYTES;
      yield;
      continue;
    }
    const { at } = marks;
    if (mark === COMMA) {
      values += 1;
      if (frames.comma(at)) yield;
    } else if (mark === LIST || mark === OBJECT) {
      values += 1;
      frames.opened(at);
    } else if (frames.closed(at, mark === LIST_END)) yield;
    if (values > bounds.mostValues) frames.refuse(`more than ${bounds.mostValues} values`);
  }
}

/** The commas and brackets of a text, outside of the texts in it. */
class Marks {
  /** Where the last one stands. */
  at = -1;
  readonly #text: Buffer;
  #isInText = false;

  constructor(text: Buffer) {
    this.#text = text;
  }

  /** Undefined: there is none before `limit`. */
  next(limit: number): number | undefined {
    const text = this.#text;
    const end = Math.min(limit, text.length);
    let isInText = this.#isInText;
    let at = this.at + 1;
    for (; at < end; at++) {
      const byte = text[at] as number;
      if (byte === QUOTE) isInText = !isInText;
      else if (isInText) at += byte === BACKSLASH ? 1 : 0;
      else if (byte === COMMA || (byte | BRACE) === OBJECT || (byte | BRACE) === OBJECT_END) {
        this.at = at;
        this.#isInText = false;
        return byte;
      }
    }
    this.at = at - 1;
    this.#isInText = isInText;
    return undefined;
  }
}

interface Frame {
  readonly into: unknown[] | { [name: string]: unknown };
  /** Of its JSON, without brackets and without what is still a frame in it. */
  bytes: number;
  /** What has to come: the first member or the end, a member, or a comma or the end. */
  expects: "first" | "member" | "comma";
}

class Frames {
  readonly #text: Buffer;
  readonly #bounds: PieceBounds;
  readonly #runBytes: number;
  /** What is open: where its bracket stands, and where its current member begins. */
  readonly #opens: number[] = [];
  readonly #members: number[] = [];
  /** The outermost of what is open. */
  readonly #frames: Frame[] = [];
  readonly #sizes = new Map<object, number>();
  /** The run begins here. */
  #from = 0;
  #root: Frame | undefined;
  #nested = 0;

  constructor(text: Buffer, bounds: PieceBounds) {
    this.#text = text;
    this.#bounds = bounds;
    this.#runBytes = bounds.runBytes ?? RUN_BYTES;
  }

  opened(at: number): void {
    const { deepest, mostNested } = this.#bounds;
    if (this.#opens.length >= deepest) this.refuse(`nested deeper than ${deepest} levels`);
    this.#nested = this.#opens.length <= 1 ? 0 : this.#nested + 1;
    if (this.#nested > mostNested) this.refuse(`more than ${mostNested} lists and objects in one`);
    this.#opens.push(at);
    this.#members.push(at + 1);
  }

  /** Whether something was read. */
  comma(at: number): boolean {
    const { length } = this.#opens;
    if (length === 0) throw new SyntaxError("a comma outside of everything");
    const isBehindFrame = this.#frames.length === length && this.#frames[length - 1]?.expects === "comma";
    const isDue = isBehindFrame || at - this.#from > this.#runBytes;
    if (isDue) {
      while (this.#frames.length < length) this.#begin(this.#frames.length);
      const frame = this.#frames[length - 1] as Frame;
      this.#read(frame, at, false);
      frame.expects = "member";
    }
    this.#members[length - 1] = at + 1;
    return isDue;
  }

  closed(at: number, isList: boolean): boolean {
    const open = this.#opens.pop();
    this.#members.pop();
    if (open === undefined || (this.#text[open] === LIST) !== isList)
      throw new SyntaxError("a bracket that closes nothing");
    if (this.#frames.length <= this.#opens.length) return false;
    const frame = this.#frames.at(-1) as Frame;
    this.#read(frame, at, true);
    this.#frames.pop();
    this.#sizes.set(frame.into, frame.bytes + 2);
    const around = this.#frames.at(-1);
    if (around !== undefined) around.bytes += frame.bytes + 2;
    return true;
  }

  whole(): Whole {
    if (this.#opens.length > 0) throw new SyntaxError("it does not end");
    const sizeOf = (within: object): number | undefined => this.#sizes.get(within);
    this.#check(this.#from, this.#text.length);
    const rest = this.#written(this.#from, this.#text.length);
    if (this.#root !== undefined) {
      if (!BLANK.test(rest)) throw new SyntaxError("more behind its end");
      return { value: this.#root.into, sizeOf };
    }
    const value: unknown = JSON.parse(rest);
    this.#accept(value, 0);
    return { value, sizeOf };
  }

  /** What is open at that level becomes a frame (J3). */
  #begin(level: number): void {
    const open = this.#opens[level] as number;
    const around = this.#frames[level - 1];
    const into: Frame["into"] = this.#text[open] === LIST ? [] : {};
    if (around !== undefined) {
      const member = this.#members[level - 1] as number;
      if (member > this.#from) {
        this.#read(around, member - 1, false);
        around.expects = "member";
      }
      this.#take(around, open, into, level - 1);
    } else if (this.#root !== undefined || !BLANK.test(this.#written(0, open)))
      throw new SyntaxError("it is not one value");
    const frame: Frame = { into, bytes: 0, expects: "first" };
    this.#root ??= frame;
    this.#frames.push(frame);
    this.#from = open + 1;
  }

  /** What stands from `#from` to `open` is the name of what opens there, or nothing. */
  #take(around: Frame, open: number, into: Frame["into"], level: number): void {
    if (around.expects === "comma") throw new SyntaxError("no comma between two members");
    const named = this.#written(this.#from, open);
    if (around.expects === "member") around.bytes += 1;
    around.expects = "comma";
    if (Array.isArray(around.into)) {
      if (!BLANK.test(named)) throw new SyntaxError("no comma between two members");
      around.into.push(into);
      return;
    }
    const head = JSON.parse(`{${named}null}`) as { readonly [name: string]: unknown };
    this.#accept(head, level);
    for (const name of Object.keys(head)) {
      around.bytes += Buffer.byteLength(JSON.stringify(name)) + 1;
      define(around.into, name, into);
    }
  }

  /** The run, up to `to`, into the innermost frame. */
  #read(frame: Frame, to: number, isEnd: boolean): void {
    const from = this.#from;
    this.#check(from, to);
    this.#from = to + 1;
    const run = this.#written(from, to);
    if (BLANK.test(run)) {
      if (frame.expects === "member" || (frame.expects === "first" && !isEnd))
        throw new SyntaxError("a member that is nothing");
      return;
    }
    if (frame.expects === "comma") throw new SyntaxError("no comma between two members");
    const members: unknown = JSON.parse(Array.isArray(frame.into) ? `[${run}]` : `{${run}}`);
    this.#accept(members, this.#frames.length - 1);
    frame.bytes += Buffer.byteLength(JSON.stringify(members)) - (frame.expects === "member" ? 1 : 2);
    if (Array.isArray(frame.into)) for (const member of members as unknown[]) frame.into.push(member);
    else for (const [name, member] of Object.entries(members as object)) define(frame.into, name, member);
  }

  /** Throws `JsonRefused`, once what stands before was read. */
  refuse(message: string): never {
    if (this.#frames.length === 0 && this.#opens.length > 0) this.#begin(0);
    const [root, within] = this.#frames;
    const member = this.#members[0] ?? 0;
    if (root !== undefined && within === undefined && member > this.#from)
      this.#read(root, member - 1, false);
    const before = Array.isArray(root?.into) ? root.into : [];
    throw new JsonRefused(message, within === undefined ? before : before.slice(0, -1));
  }

  /** The members of a run but the last are short (J2). */
  #check(from: number, to: number): void {
    const { longestText } = this.#bounds;
    if (to - from > this.#runBytes + longestText) this.refuse(`a text of more than ${longestText} bytes`);
  }

  /** What is outermost is looked at by whoever gets it, one by one. */
  #accept(run: unknown, level: number): void {
    if (level > 0 && !this.#bounds.isAccepted(run, level)) this.refuse("a value that is none");
  }

  #written(from: number, to: number): string {
    return this.#text.toString("utf8", from, to);
  }
}

/** As `JSON.parse` does it, whatever the name. */
function define(into: { [name: string]: unknown }, name: string, value: unknown): void {
  if (name !== "__proto__") into[name] = value;
  else Object.defineProperty(into, name, { value, writable: true, enumerable: true, configurable: true });
}
