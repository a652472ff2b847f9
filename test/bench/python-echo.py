"""The bare peer: a line of JSON in, read and written again, and out. It reads and writes as much at once as there is."""

import json
import os

buffer = b""
while True:
    chunk = os.read(0, 256 * 1024)
    if chunk == b"":
        break
    *lines, buffer = (buffer + chunk).split(b"\n")
    answers = [json.dumps(json.loads(line), separators=(",", ":")).encode() for line in lines]
    if answers:
        left = memoryview(b"\n".join(answers) + b"\n")
        while left:
            left = left[os.write(1, left) :]
