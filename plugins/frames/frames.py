#!/usr/bin/env python3
"""A PicoClaw sink without any library: speaks the frames directly, and appends one JSON line per event to a file.

    { "type": "plugin", "name": "lines", "options": { "command": ["/usr/bin/python3", "/opt/frames.py"],
        "config": { "file": "/var/log/events.jsonl" } } }

Standard input is the connection, a Unix stream socket. A frame is its length (u32), its type (u8) and its content; all
numbers are little-endian. What is printed stands in the gateway's log.
"""

import json
import os
import socket
import struct
import sys

HELLO, READY, EVENTS, ACK, FLUSH, FLUSHED, HEALTH, LOG, SHUTDOWN = range(1, 10)
OK, LOST, CONFIG, RETRY = range(4)
LEVELS = ["debug", "info", "warn", "error"]


class Reader:
    """Takes numbers and texts out of bytes."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def number(self, form):
        (value,) = struct.unpack_from("<" + form, self.content, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def text(self, form):
        length = self.number(form)
        self.at += length
        return self.content[self.at - length : self.at].decode()


def event(reader):
    """One event; attributes are texts, counts, and durations in milliseconds."""
    out = {"seq": reader.number("Q"), "time": reader.number("Q") / 1e9, "level": LEVELS[reader.number("B")]}
    attributes = reader.number("H")
    out["kind"], out["component"], out["message"] = reader.text("B"), reader.text("B"), reader.text("I")
    for _ in range(attributes):
        kind, key = reader.number("B"), reader.text("B")
        value = reader.text("I") if kind == 1 else reader.number("Q")
        out[key] = value / 1e6 if kind == 3 else value
    return out


def frames(connection):
    """The frames of the gateway, until it is gone."""
    stream = connection.makefile("rb")
    while len(head := stream.read(5)) == 5:
        length, kind = struct.unpack("<IB", head)
        yield kind, stream.read(length - 1)


def main():
    connection = socket.socket(fileno=0)

    def send(kind, content):
        connection.sendall(struct.pack("<IB", len(content) + 1, kind) + content)

    def answer(kind, ident, code=OK, text=""):
        send(kind, struct.pack("<QB", ident, code) + text.encode())

    file = None
    for kind, content in frames(connection):
        reader = Reader(content)
        if kind == HELLO:
            hello = json.loads(content)
            ready = {"protocol": 1, "name": "frames.py", "version": "1", "events": True}
            try:
                file = open(hello["config"]["file"], "a", encoding="utf-8")
            except KeyError:
                ready["error"] = "configuration: file: missing; give the path of the file to write"
            except OSError as error:
                ready["error"] = f"configuration: file: {error}"
            send(READY, json.dumps(ready).encode())
        elif kind == EVENTS:
            ident, lost, count = reader.number("Q"), reader.number("Q"), reader.number("I")
            if lost:
                print(f"{lost} events were lost", flush=True)
            try:
                file.write("".join(json.dumps(event(reader)) + "\n" for _ in range(count)))
                file.flush()
                answer(ACK, ident)
            except OSError as error:
                answer(ACK, ident, RETRY, str(error))
        elif kind == FLUSH:
            os.fsync(file.fileno())
            answer(FLUSHED, reader.number("Q"))
        elif kind == HEALTH:
            answer(HEALTH, reader.number("Q"))
        elif kind == SHUTDOWN:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
