"""Packets from a raw socket, with whatever source address is asked for, and packets read off an interface.

One order a line on standard input, as JSON; one answer a line on standard output.
  {"do": "send", "to": [address, port], "from": [address, port], "hex": text, "count": n, "vary": at, "perSecond": n}
      UDP over IPv4 of `count` packets. A null in `from` is drawn anew for each packet, an address within 198.18.0.0/15;
      `vary`: place in the payload whose next eight bytes are drawn anew each time, -1: none. Answers {"sent": n, "bytes": n}.
  {"do": "capture", "port": n, "count": n, "timeoutMs": n}
      Payloads of the next packets to that UDP port, whatever becomes of them. Answers {"packets": [{"from": [address, port], "hex": text}]}.
  {"do": "listen"}
      From now on packets wait here for the next `count`. Answers {}.
  {"do": "count", "port": n, "ms": n, "quietMs": n}
      Packets from that UDP port since `listen`, for `ms` more, and beyond it until none came for `quietMs`.
      Answers {"packets": n, "bytes": n}.
"""
import json
import os
import random
import socket
import struct
import sys
import time

IP_HEAD = 20
UDP_HEAD = 8
BURST = 50
MOST_COUNTING_S = 20


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source, target, payload):
    length = IP_HEAD + UDP_HEAD + len(payload)
    head = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, length, random.getrandbits(16), 0, 64, socket.IPPROTO_UDP, 0),
        socket.inet_aton(source[0]),
        socket.inet_aton(target[0]),
    )
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    # A UDP checksum of zero says that there is none.
    return head + struct.pack("!HHHH", source[1], target[1], UDP_HEAD + len(payload), 0) + payload


def send(order):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    target, (address, port) = order["to"], order["from"]
    payload, vary = bytearray.fromhex(order["hex"]), order["vary"]
    size = 0
    pause = BURST / order["perSecond"]
    next_at = time.monotonic()
    for number in range(order["count"]):
        if vary >= 0:
            payload[vary : vary + 8] = os.urandom(8)
        source = (
            address or "198.%d.%d.%d" % (random.choice((18, 19)), random.getrandbits(8), random.getrandbits(8)),
            port or random.randint(1024, 65535),
        )
        raw.sendto(packet(source, target, bytes(payload)), (target[0], 0))
        size += len(payload)
        if number % BURST == BURST - 1:
            next_at += pause
            time.sleep(max(0.0, next_at - time.monotonic()))
    return {"sent": order["count"], "bytes": size}


def open_tap():
    """Hears every interface; what waits in it while others have the processor is not to be lost."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
    return tap


def datagrams(deadline, tap):
    """UDP datagrams until the deadline: source, destination port, payload."""
    while time.monotonic() < deadline:
        tap.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            frame, (_, _, kind, *_) = tap.recvfrom(65535)
        except socket.timeout:
            return
        if kind == socket.PACKET_OUTGOING or len(frame) < 42 or frame[23] != socket.IPPROTO_UDP:
            continue
        at = 14 + (frame[14] & 15) * 4
        source, target, length = struct.unpack("!HHH", frame[at : at + 6])
        yield (socket.inet_ntoa(frame[26:30]), source), target, frame[at + UDP_HEAD : at + length]


def capture(order):
    packets = []
    for source, target, payload in datagrams(time.monotonic() + order["timeoutMs"] / 1000, open_tap()):
        if target == order["port"]:
            packets.append({"from": source, "hex": payload.hex()})
        if len(packets) == order["count"]:
            break
    return {"packets": packets}


listening = []


def listen(_):
    listening.append(open_tap())
    return {}


def count(order):
    seen = {"packets": 0, "bytes": 0}
    last = time.monotonic()
    end, quiet = last + order["ms"] / 1000, order["quietMs"] / 1000
    most = last + MOST_COUNTING_S
    tap = listening.pop()
    while time.monotonic() < min(max(end, last + quiet), most):
        for source, _, payload in datagrams(min(max(end, last + quiet), most), tap):
            if source[1] == order["port"]:
                seen["packets"] += 1
                seen["bytes"] += len(payload)
                last = time.monotonic()
    return seen


DOES = {"send": send, "capture": capture, "listen": listen, "count": count}
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(DOES[asked["do"]](asked)), flush=True)
