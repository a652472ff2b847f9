/** `tally` in AssemblyScript; what it should do is in `spec/logic.md`, the same for every language. */
import { id, Json, keys, Level, log, now, publish, random, refuse, reply, setTimer, unhandled } from "./vnes";

const MOST_AT_ONCE: i64 = 1000;
const FADE_MS: i64 = 60000;
const TOTAL = "total/";

export function deliver(length: i32): void {
  const delivery = Json.take(length);
  const kind = delivery.get("kind").asText();
  if (kind == "start") return;
  if (kind == "call") return called(delivery.get("method").asText(), delivery.get("input"));
  if (kind == "event" && delivery.get("topic").asText() == "tally.fed.v1") return fed(delivery.get("event"));
  if (kind == "timer" && delivery.get("id").asText().startsWith("fade:")) return fade(delivery.get("payload"));
  unhandled();
}

function called(method: string, input: Json): void {
  if (method == "add") return add(input);
  if (method == "top") return reply(Json.record().with("entries", top()));
  unhandled();
}

function add(input: Json): void {
  const amount = input.get("amount").asInteger();
  if (amount > MOST_AT_ONCE) {
    const details = Json.record().with("most", Json.integer(MOST_AT_ONCE)).with("amount", Json.integer(amount));
    return refuse("TALLY_AMOUNT_TOO_LARGE", `at most ${MOST_AT_ONCE} at once`, details);
  }
  reply(Json.record().with("total", Json.integer(added(input.get("name").asText(), amount))));
}

function fed(event: Json): void {
  const amount = event.get("amount").asInteger();
  if (amount > MOST_AT_ONCE) return log(Level.warn, "too much at once", event);
  added(event.get("name").asText(), amount);
}

function added(name: string, amount: i64): i64 {
  const before = keys.get(TOTAL + name);
  const total = (before === null ? 0 : before.asInteger()) + amount;
  keys.set(TOTAL + name, Json.integer(total));
  changed(name, total);
  setTimer("fade:" + name, now() + FADE_MS, Json.record().with("name", Json.text(name)));
  return total;
}

function changed(name: string, total: i64): void {
  const event = Json.record()
    .with("id", Json.text(id("chg")))
    .with("name", Json.text(name))
    .with("total", Json.integer(total))
    .with("lot", Json.integer(<i64>Math.floor(random() * 1000)));
  publish("tally.changed.v1", name, event);
}

function fade(payload: Json): void {
  const name = payload.get("name").asText();
  keys.remove(TOTAL + name);
  changed(name, 0);
  log(Level.info, "faded", Json.record().with("name", Json.text(name)));
}

function top(): Json {
  const entries = keys.entries(TOTAL);
  const found: Json[] = [];
  for (let index = 0; index < entries.length; index++) {
    const name = entries.at(index).at(0).asText().substring(TOTAL.length);
    const entry = Json.record().with("name", Json.text(name)).with("total", entries.at(index).at(1));
    // Keys come sorted, so behind all that are as large keeps equal totals in the order of their names.
    let place = found.length;
    while (place > 0 && found[place - 1].get("total").asInteger() < entry.get("total").asInteger()) place -= 1;
    found.push(entry);
    for (let at = found.length - 1; at > place; at--) found[at] = found[at - 1];
    found[place] = entry;
  }
  return Json.list(found);
}
