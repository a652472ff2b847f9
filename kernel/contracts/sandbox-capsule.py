"""The capsule of sandbox-capsule.ts, in Python."""

from .vnes import Capsule, later, refuse

run = Capsule()
seen = {}


@run.start
def start(turn, config, resumed):
    turn.keys.set("started", {"config": config, "resumed": resumed, "at": turn.at})


@run.event("contract.v1")
def event(turn, event, info):
    total = turn.keys.get("total", 0) + event
    turn.keys.set("total", total)
    turn.keys.set("event/" + info.key, {"seq": info.seq, "event": event})
    turn.publish("contract.total.v1", info.key, {"total": total, "id": turn.id("evt"), "draw": turn.random()})


@run.batch("contract.v1")
def batch(turn, events, info):
    total = sum(one["event"] for one in events)
    seqs = [one["seq"] for one in events]
    turn.keys.set("batch", {"topic": info.topic, "partition": info.partition, "seqs": seqs, "sum": total})


@run.call("contract.add")
def add(turn, key):
    n = turn.keys.get("n/" + key, 0) + 1
    seen[key] = n
    turn.keys.set("n/" + key, n)
    return n


@run.call("contract.drop")
def drop(turn, key):
    turn.keys.delete("n/" + key)


@run.call("contract.list")
def list_all(turn):
    return turn.keys.entries("n/")


@run.call("contract.swap")
def swap(turn, input):
    key = "n/" + input["key"]
    version = turn.keys.version(key)
    turn.keys.set(key, input["value"], expect=version, ttl_ms=60_000)
    return version


@run.call("contract.echo")
def echo(turn, input):
    return {"at": turn.at, "input": input}


@run.call("contract.refuse")
def refuse_it(turn):
    turn.keys.set("refused", True)
    return refuse("CONTRACT_NO", "not here", {"why": "asked to"})


@run.call("contract.fail")
def fail(turn, key):
    turn.keys.set("n/" + key, 1_000_000)
    turn.publish("contract.total.v1", "", None)
    raise TypeError("asked to")


@run.call("contract.promise")
async def promise(turn):
    return 1


@run.call("contract.invalid")
def invalid(turn):
    turn.keys.set("x", float("nan"))


@run.call("contract.write")
def write(turn, size):
    turn.keys.set("large", "x" * size)


@run.call("contract.size")
def size(turn):
    return len(turn.keys.get("large", ""))


@run.call("contract.loop")
def loop(turn):
    while True:
        pass


@run.call("contract.hoard")
def hoard(turn):
    kept = []
    while True:
        kept.append([len(kept)] * 1_000)


@run.call("contract.chat")
def chat(turn, input):
    for _ in range(input["lines"]):
        turn.log("info", input["text"])


@run.call("contract.swallow")
def swallow(turn):
    try:
        turn.keys.get("swallow")
    except BaseException:
        turn.keys.set("swallow", "caught")


@run.call("contract.ask")
def ask(turn, _input, info):
    turn.call(capability="other", method="do", input=None, tag="asked", context={"callId": info.call_id})
    turn.read(capsule="test.other", prefix="p/", after="p/1", limit=5, tag="asked")
    turn.set_timer("slow:1", turn.at + 100, {"callId": info.call_id})
    turn.log("info", "asked")
    return later


@run.answer("asked")
def asked(turn, answer, context):
    turn.cancel_timer("slow:1")
    turn.answer(context["callId"], answer)


@run.timer("slow")
def slow(turn, payload, id, due_at):
    turn.keys.set("slow", {"payload": payload, "id": id, "dueAt": due_at})
