/** The capsule of the sandbox contract (`kernel/contracts/sandbox-capsule.ts`), in AssemblyScript. */
import * as vnes from "./vnes";
import { Json, keys, Level } from "./vnes";

const seen = new Map<string, i64>();

export function deliver(length: i32): void {
  const delivery = Json.take(length);
  const kind = delivery.get("kind").asText();
  if (kind == "start") return started(delivery);
  if (kind == "event" && delivery.get("topic").asText() == "contract.v1") return happened(delivery);
  if (kind == "batch" && delivery.get("topic").asText() == "contract.v1") return summed(delivery);
  if (kind == "answer" && delivery.get("tag").asText() == "asked") return answered(delivery);
  if (kind == "timer" && delivery.get("id").asText() == "slow:1") return slow(delivery);
  if (kind == "call") return called(delivery);
  vnes.unhandled();
}

function started(delivery: Json): void {
  const value = Json.record()
    .with("config", delivery.get("config"))
    .with("resumed", delivery.get("resumed"))
    .with("at", Json.integer(vnes.now()));
  keys.set("started", value);
}

function happened(delivery: Json): void {
  const event = delivery.get("event");
  const key = delivery.get("key").asText();
  const before = keys.get("total");
  const total = Json.integer((before === null ? 0 : before.asInteger()) + event.asInteger());
  keys.set("total", total);
  keys.set("event/" + key, Json.record().with("seq", delivery.get("seq")).with("event", event));
  const told = Json.record()
    .with("total", total)
    .with("id", Json.text(vnes.id("evt")))
    .with("draw", Json.number(vnes.random()));
  vnes.publish("contract.total.v1", key, told);
}

function summed(delivery: Json): void {
  const events = delivery.get("events");
  const seqs = Json.list();
  let sum: i64 = 0;
  for (let index = 0; index < events.length; index++) {
    seqs.push(events.at(index).get("seq"));
    sum += events.at(index).get("event").asInteger();
  }
  const value = Json.record()
    .with("topic", delivery.get("topic"))
    .with("partition", delivery.get("partition"))
    .with("seqs", seqs)
    .with("sum", Json.integer(sum));
  keys.set("batch", value);
}

function answered(delivery: Json): void {
  vnes.cancelTimer("slow:1");
  vnes.answer(delivery.get("context").get("callId").asText(), delivery.get("answer"));
}

function slow(delivery: Json): void {
  const value = Json.record()
    .with("payload", delivery.get("payload"))
    .with("id", delivery.get("id"))
    .with("dueAt", delivery.get("dueAt"));
  keys.set("slow", value);
}

function called(delivery: Json): void {
  const method = delivery.get("method").asText();
  const input = delivery.get("input");
  const key = "n/" + input.asText();
  if (method == "add") {
    const before = keys.get(key);
    const n = (before === null ? 0 : before.asInteger()) + 1;
    seen.set(key, n);
    keys.set(key, Json.integer(n));
    return vnes.reply(Json.integer(n));
  }
  if (method == "drop") {
    keys.remove(key);
    return vnes.reply(Json.nothing());
  }
  if (method == "list") return vnes.reply(keys.entries("n/"));
  if (method == "swap") return swap(input);
  if (method == "echo") {
    return vnes.reply(Json.record().with("at", Json.integer(vnes.now())).with("input", input));
  }
  if (method == "refuse") {
    keys.set("refused", Json.truth(true));
    return vnes.refuse("CONTRACT_NO", "not here", Json.record().with("why", Json.text("asked to")));
  }
  if (method == "fail" || method == "promise") {
    keys.set(key, Json.integer(1000000));
    vnes.publish("contract.total.v1", "", Json.nothing());
    return vnes.fail("TypeError: asked to");
  }
  if (method == "invalid") {
    keys.set("x", Json.numeral("NaN"));
    return vnes.reply(Json.nothing());
  }
  if (method == "write") {
    keys.set("large", Json.text("x".repeat(<i32>input.asInteger())));
    return vnes.reply(Json.nothing());
  }
  if (method == "size") {
    const large = keys.get("large");
    return vnes.reply(Json.integer(large === null ? 0 : large.asText().length));
  }
  if (method == "loop") while (true) {}
  if (method == "hoard") return hoard();
  if (method == "chat") return chat(<i32>input.get("lines").asInteger(), input.get("text").asText());
  if (method == "swallow") {
    // Nothing can be caught here.
    keys.get("swallow");
    return vnes.reply(Json.nothing());
  }
  if (method == "ask") return ask(delivery.get("callId"));
  vnes.unhandled();
}

function hoard(): void {
  const kept = new Array<StaticArray<i32>>();
  while (true) kept.push(new StaticArray<i32>(2000));
}

function chat(lines: i32, text: string): void {
  for (let n = 0; n < lines; n++) vnes.log(Level.info, text);
  vnes.reply(Json.nothing());
}

function swap(input: Json): void {
  const key = "n/" + input.get("key").asText();
  const version = keys.version(key);
  const expected = version < 0 ? Json.nothing() : Json.integer(version);
  keys.set(key, input.get("value"), Json.record().with("expect", expected).with("ttlMs", Json.integer(60000)));
  vnes.reply(expected);
}

function ask(callId: Json): void {
  const context = Json.record().with("callId", callId);
  const call = Json.record()
    .with("capability", Json.text("other"))
    .with("method", Json.text("do"))
    .with("input", Json.nothing())
    .with("tag", Json.text("asked"))
    .with("context", context);
  vnes.call(call);
  const read = Json.record()
    .with("capsule", Json.text("test.other"))
    .with("prefix", Json.text("p/"))
    .with("after", Json.text("p/1"))
    .with("limit", Json.integer(5))
    .with("tag", Json.text("asked"));
  vnes.read(read);
  vnes.setTimer("slow:1", vnes.now() + 100, context);
  vnes.log(Level.info, "asked");
  vnes.later();
}
