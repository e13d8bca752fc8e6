"""A hook, an MCP server or a plugin with a tool, as a gateway starts it, in the mood that a file names.

    python helper.py hook|mcp|plugin FILE

`dead`: it ends, as often as it is started. `mute`: it does not answer what it is asked, though it says hello. `unwell`:
a plugin says so. Without the file it does its work, which is to have no objection, and to offer one tool.
"""

import json
import os
import pathlib
import socket
import struct
import sys
import threading
import time

ROLE, MOOD = sys.argv[1], pathlib.Path(sys.argv[2])
GREETINGS = ("hook.hello", "initialize")


def mood():
    try:
        return MOOD.read_text()
    except FileNotFoundError:
        return ""


def live():
    while mood() != "dead":
        time.sleep(0.1)
    os._exit(1)


def result(method, parameters):
    if ROLE == "hook":
        return {"action": "continue"}
    if method == "initialize":
        version = parameters["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "helper", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{"name": "nothing", "description": "Does nothing.", "inputSchema": {"type": "object"}}]}
    return {}


def plugin():
    """Speaks frames: is ready, and says how it is when it is asked, which is every 15 s."""
    hello, ready, flush, flushed, health, shutdown = 1, 2, 5, 6, 7, 9
    connection = socket.socket(fileno=0)
    stream = connection.makefile("rb")
    send = lambda kind, content: connection.sendall(struct.pack("<IB", len(content) + 1, kind) + content)
    tool = {"name": "nothing_more", "description": "Does nothing.", "parameters": {"type": "object"}}
    while len(head := stream.read(5)) == 5:
        length, kind = struct.unpack("<IB", head)
        content = stream.read(length - 1)
        if kind == hello:
            send(ready, json.dumps({"protocol": 1, "tools": [tool]}).encode())
        elif kind == flush:
            send(flushed, content[:8] + b"\0")
        elif kind == health:
            send(health, content[:8] + (b"\1as it was told" if mood() == "unwell" else b"\0"))
        elif kind == shutdown:
            return


threading.Thread(target=live, daemon=True).start()
if ROLE == "plugin":
    sys.exit(plugin())
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and (message["method"] in GREETINGS or mood() != "mute"):
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result(message["method"], message.get("params"))}
        print(json.dumps(answer), flush=True)
