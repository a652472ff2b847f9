"""`tally` in Python; what it should do is in spec/logic.md, the same for every language."""

from .vnes import Capsule, refuse

MOST_AT_ONCE = 1_000
FADE_MS = 60_000
TOTAL = "total/"

run = Capsule()


def add(turn, name, amount):
    total = turn.keys.get(TOTAL + name, 0) + amount
    turn.keys.set(TOTAL + name, total)
    changed(turn, name, total)
    turn.set_timer("fade:" + name, turn.at + FADE_MS, {"name": name})
    return total


def changed(turn, name, total):
    id = turn.id("chg")
    lot = int(turn.random() * 1_000)
    turn.publish("tally.changed.v1", name, {"id": id, "name": name, "total": total, "lot": lot})


# Inputs and events arrive checked against their schemas.


@run.event("tally.fed.v1")
def fed(turn, event):
    if event["amount"] > MOST_AT_ONCE:
        turn.log("warn", "too much at once", event)
    else:
        add(turn, **event)


@run.call("tally.add")
def tally_add(turn, input):
    if input["amount"] <= MOST_AT_ONCE:
        return {"total": add(turn, **input)}
    details = {"most": MOST_AT_ONCE, "amount": input["amount"]}
    return refuse("TALLY_AMOUNT_TOO_LARGE", "at most %d at once" % MOST_AT_ONCE, details)


@run.call("tally.top")
def tally_top(turn):
    entries = [{"name": key[len(TOTAL) :], "total": total} for key, total in turn.keys.entries(TOTAL)]
    # Keys come sorted and the sort is stable, so equal totals stay in the order of their names.
    return {"entries": sorted(entries, key=lambda entry: -entry["total"])}


@run.timer("fade")
def fade(turn, payload):
    name = payload["name"]
    turn.keys.delete(TOTAL + name)
    changed(turn, name, 0)
    turn.log("info", "faded", {"name": name})
