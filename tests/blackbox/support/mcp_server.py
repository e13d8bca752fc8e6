"""An MCP server that does what a test needs: over stdio, or with `http PORT` over streamable HTTP."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tool(name, **properties):
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"name": name, "description": "For tests.", "inputSchema": schema}


TOOLS = [tool("echo", text="string"), tool("crash"), tool("sleep", seconds="number"), tool("environment"),
         tool("long", length="integer"), tool("picture"), tool("fail"), tool("grow"), tool("pid")]


def text(content, **more):
    return {"content": [{"type": "text", "text": content}], **more}


def call(name, arguments):
    if name == "echo":
        return text(arguments["text"])
    if name == "crash":
        print("told to crash", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "sleep":
        time.sleep(arguments["seconds"])
        return text("slept")
    if name == "environment":
        return text("\n".join(f"{key}={value}" for key, value in sorted(os.environ.items())))
    if name == "long":
        return text("x" * arguments["length"])
    if name == "picture":
        return {"content": [{"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="}]}
    if name == "fail":
        return text("it went wrong", isError=True)
    if name == "grow":
        TOOLS.append(tool("grown"))
        return text("grown")
    if name == "grown":
        return text("still growing")
    if name == "pid":
        return text(str(os.getpid()))
    raise KeyError(name)


def answer(message):
    """The answer to a message, or nothing."""
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message:
        return None
    if method == "initialize":
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {"listChanged": True}},
                  "serverInfo": {"name": "fixture", "version": "1"}}
    elif method == "ping":
        result = {}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "tools/call":
        result = call(params["name"], params.get("arguments") or {})
    else:
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no such method"}}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def stdio():
    # Beside the messages: a server that was killed leaves no doubt who it was.
    print("fixture ready", file=sys.stderr, flush=True)
    for line in sys.stdin:
        before = len(TOOLS)
        reply = answer(json.loads(line))
        if reply:
            print(json.dumps(reply), flush=True)
        if len(TOOLS) > before:
            print(json.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("X-Secret") != "sesame":
            return self.send(401, None)
        reply = answer(body)
        self.send(200 if reply else 202, reply)

    def do_GET(self):
        self.send(405, None)

    def do_DELETE(self):
        self.send(200, None)

    def send(self, status, reply):
        data = json.dumps(reply).encode() if reply else b""
        self.send_response(status)
        if reply:
            self.send_header("Content-Type", "application/json")
            self.send_header("Mcp-Session-Id", "one")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


if sys.argv[1:2] == ["hang"]:
    time.sleep(3600)
elif sys.argv[1:2] == ["http"]:
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
elif sys.argv[1:2] == ["refuse"]:
    sys.exit("no licence")
else:
    stdio()
