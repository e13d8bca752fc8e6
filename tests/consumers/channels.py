"""Programs of others talk to the channels of the real binary.

The `websockets` library chats over `pico`, the reference library of Standard Webhooks signs and checks, and a bot talks
to the Telegram server that others wrote for their tests (npm `telegram-test-api`).
Every failure is an exception; the last line counts.
"""

import asyncio
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.request
from datetime import datetime, timezone

import standardwebhooks
import websockets

from stack import free_port, wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
MODULES = pathlib.Path(sys.argv[2]).resolve()
PICO, SECRET, BOT = "pico-token", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "7:bot-token"
checks = 0


def check(condition, what):
    """Counts what holds."""
    global checks
    if not condition:
        raise AssertionError(what)
    checks += 1


def fetch(url, body=None, headers=None):
    """A page, or None while nobody answers."""
    data = None if body is None else body.encode()
    headers = {"Content-Type": "application/json", **(headers or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None


class Callback(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted."""

    received = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Callback.received.append((dict(self.headers), body.decode()))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


async def chat(port):
    """Chats over the WebSocket, in each way to show the token that a library has."""
    url = f"ws://localhost:{port}/pico/ws?session_id=s1"
    bearer = {"Authorization": f"Bearer {PICO}"}
    async with websockets.connect(url, additional_headers=bearer) as client:
        await client.send(json.dumps({"type": "message.send", "id": "m1", "payload": {"content": "hello"}}))
        frames = []
        while not frames or frames[-1]["type"] != "message.create":
            frames.append(json.loads(await asyncio.wait_for(client.recv(), 20)))
        check([frame["type"] for frame in frames] == ["typing.start", "typing.stop", "message.create"], frames)
        check(all(frame["session_id"] == "s1" for frame in frames), frames)
        check(frames[-1]["payload"]["content"] == "hello", frames)
        await (await client.ping())
        check(True, "pong")
    async with websockets.connect(url, subprotocols=["chat", f"token.{PICO}"]) as client:
        check(client.subprotocol == f"token.{PICO}", client.subprotocol)
        await client.send("{")
        error = json.loads(await asyncio.wait_for(client.recv(), 20))
        check(error["payload"] == {"code": "invalid_message", "message": "failed to parse message"}, error)
    try:
        async with websockets.connect(url):
            raise AssertionError("let in without a token")
    except websockets.InvalidStatus as refused:
        check(refused.response.status_code == 401, refused)


def webhook(port):
    """Signs a message and checks the signature of the answer."""
    signer = standardwebhooks.Webhook(SECRET)
    body, now = json.dumps({"content": "hello", "chat_id": "c1"}), datetime.now(timezone.utc)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign("msg_1", now, body),
    }
    answer = fetch(f"http://localhost:{port}/webhook/hook", body, headers)
    check(answer and json.loads(answer)["status"] == "accepted", answer)
    headers, body = wait_for("the answer", lambda: Callback.received and Callback.received[0])
    document = signer.verify(body, {name.lower(): value for name, value in headers.items()})
    check(document["content"] == "hello" and document["chat_id"] == "c1", document)


def telegram(api):
    """Writes to the bot as a person, and reads its answer."""
    message = {
        "botToken": BOT, "text": "hello", "date": 0,
        "from": {"id": 1, "first_name": "Ann", "username": "ann"},
        "chat": {"id": 1, "first_name": "Ann", "username": "ann", "type": "private"},
    }
    check(fetch(f"{api}/sendMessage", json.dumps(message)), "the message was taken")

    def answers():
        page = fetch(f"{api}/getUpdates", json.dumps({"token": BOT, "chatId": 1}))
        return page and json.loads(page)["result"]

    answer = wait_for("the bot's answer", answers)[0]["message"]
    check(answer["text"] == "hello" and str(answer["chat_id"]) == "1", answer)


def main():
    callback = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Callback)
    threading.Thread(target=callback.serve_forever, daemon=True).start()
    port, api_port = free_port(), free_port()
    api = f"http://127.0.0.1:{api_port}"
    script = f"""
        const Server = require('telegram-test-api');
        new Server({{ port: {api_port}, host: '127.0.0.1' }}).start().then(() => console.log('up'));
    """
    config = {
        "gateway": {"port": port},
        "channel_list": {
            "pico": {"enabled": True, "settings": {"token": PICO}},
            "hook": {"enabled": True, "type": "webhook", "settings": {
                "secret": SECRET, "callback_url": f"http://127.0.0.1:{callback.server_address[1]}/"}},
            "telegram": {"enabled": True, "typing": {"enabled": False},
                         "settings": {"token": BOT, "base_url": api}},
        },
    }
    with tempfile.TemporaryDirectory() as home:
        (pathlib.Path(home) / "config.json").write_text(json.dumps(config))
        environment = {**os.environ, "NODE_PATH": str(MODULES), "PICOCLAW_HOME": home}
        programs = [
            subprocess.Popen(["node", "-e", script], env=environment, stdout=subprocess.DEVNULL),
            subprocess.Popen([BINARY, "gateway"], env=environment, stdout=subprocess.DEVNULL),
        ]
        try:
            up = 'picoclaw_channel_up{channel="telegram"} 1'
            wait_for("the bot", lambda: up in (fetch(f"http://localhost:{port}/metrics") or ""))
            asyncio.run(chat(port))
            webhook(port)
            telegram(api)
            page = fetch(f"http://localhost:{port}/metrics")
            for channel in ("pico", "hook", "telegram"):
                sent = f'picoclaw_outbound_messages_total{{channel="{channel}",outcome="success"}} 1'
                check(sent in page, sent)
        finally:
            for program in programs:
                program.terminate()
            for program in programs:
                program.wait(30)
    print(f"channels: {checks} checks passed")


if __name__ == "__main__":
    main()
