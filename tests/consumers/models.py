"""Models that say what they are told to, over the OpenAI protocol, and that can be down.

A message `tool NAME {json}` has the model call that tool and then tell what it said; a heartbeat is answered with
HEARTBEAT_OK; everything else is repeated with the model's name before it.
"""

import collections
import json
import threading

from stack import Server

USAGE = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}


class Models:
    """Each path, `/NAME/v1/chat/completions`, is a provider of its own. Remembers what every one was asked."""

    def __init__(self):
        self.lock = threading.Lock()
        self.asked = collections.defaultdict(list)
        self.refused = collections.Counter()
        self.down = set()
        self.server = Server(self.answer)
        self.port = self.server.port
        self.stop = self.server.stop

    def requests(self, name):
        """What this provider was asked."""
        with self.lock:
            return list(self.asked[name])

    def texts(self, name):
        """The last messages of the requests to a provider."""
        return [request["messages"][-1].get("content") or "" for request in self.requests(name)]

    def answer(self, path, body):
        name, request = path.split("/")[1], json.loads(body)
        with self.lock:
            self.asked[name].append(request)
            down = name in self.down
            self.refused[name] += down
        if down:
            return 500, json.dumps({"error": {"message": "out of order", "type": "server_error"}}).encode()
        message = reply(name, request["messages"][-1])
        reason = "tool_calls" if "tool_calls" in message else "stop"
        if request.get("stream"):
            return 200, stream(message, reason), {"Content-Type": "text/event-stream"}
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
        return 200, json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()


def reply(name, last):
    text = last.get("content") or ""
    if isinstance(text, list):
        text = " ".join(part.get("text", "") for part in text)
    if last["role"] == "tool":
        return {"content": f"The tool says: {text}"}
    if "HEARTBEAT_OK" in text:
        return {"content": "HEARTBEAT_OK"}
    if text.startswith("tool "):
        _, tool, arguments = text.split(" ", 2)
        return {"content": "", "tool_calls": [
            {"id": "call_now", "type": "function", "function": {"name": tool, "arguments": arguments}}]}
    # Not all of it: a summary of summaries would grow for ever.
    return {"content": f"{name} heard: {text[:200]}"}


def stream(message, reason):
    deltas = [{"content": word + " "} for word in message["content"].split(" ")]
    deltas[-1]["content"] = deltas[-1]["content"][:-1]
    if calls := message.get("tool_calls"):
        deltas = [{"tool_calls": [{"index": number, **call} for number, call in enumerate(calls)]}]
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({"choices": [], "usage": USAGE})
    return ("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n").encode()
