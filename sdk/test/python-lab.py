"""Turns of a scripted capsule, a line of JSON each way: {"reset": true} or a turn's request. What `steps` names is done in order."""

import json
import sys

sys.path.insert(0, sys.argv[1])
import vnes


def step(turn, one):
    do, *given = one
    if do == "get":
        # The other lab says so of null as well.
        kept = turn.keys.get(given[0])
        return "(none)" if kept is None else kept
    if do == "version":
        return turn.keys.version(given[0])
    if do == "entries":
        return turn.keys.entries(given[0])
    if do == "delete":
        return turn.keys.delete(given[0])
    if do == "set":
        options = given[2]
        ttl = options.get("ttlMs")
        return turn.keys.set(given[0], given[1], options.get("expect", vnes.ABSENT), ttl)
    if do == "random":
        return turn.random()
    if do == "id":
        return turn.id(given[0])
    if do == "publish":
        return turn.publish("t", given[0], given[1])
    if do == "log":
        return turn.log("info", given[0], given[1])
    if do == "timer":
        return turn.set_timer(given[0], given[1])
    raise ValueError(do)


def steps(turn, input):
    return [step(turn, one) for one in input]


capsule = vnes.Capsule(calls={"lab.steps": steps})
for line in sys.stdin:
    request = json.loads(line)
    if "reset" in request:
        capsule.reset()
        answer = None
    else:
        answer = capsule(request)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
