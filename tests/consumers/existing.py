"""A home directory of the existing PicoClaw, the gateway as its launcher starts it, and a client of its web page."""

import asyncio
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import websockets

from stack import free_port, get, wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
TOKEN = "pico-token-0001"
checks = 0


def check(condition, what):
    """Counts what holds."""
    global checks
    if not condition:
        raise AssertionError(what)
    checks += 1


def same(found, expected, what):
    check(found == expected, f"{what}: {found!r} instead of {expected!r}")


def filled_in(source, target, **words):
    """A copy in which `@WORD@` is replaced."""
    shutil.copytree(source, target)
    for path in filter(pathlib.Path.is_file, target.rglob("*")):
        text = path.read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        path.write_text(text)


def tree(home):
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


class Gateway:
    """The gateway as the launcher has it: `gateway -E -d` with PICOCLAW_CONFIG, in the usual place below HOME."""

    def __init__(self, home):
        self.home, self.port = home, free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PICOCLAW_")}
        self.environment |= {
            "HOME": str(home.parent), "PICOCLAW_CONFIG": str(home / "config.json"),
            "PICOCLAW_GATEWAY_PORT": str(self.port), "PICOCLAW_KEY_PASSPHRASE": "a passphrase", "NO_PROXY": "*",
        }
        self.output = home.parent / "output"
        with open(self.output, "wb") as output:
            command = [BINARY, "gateway", "-E", "-d"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=output, stderr=output)
        wait_for("the pid file", self.record, 15)
        wait_for("the gateway", lambda: self.page("/ready"))

    def record(self):
        path = self.home / ".picoclaw.pid"
        if not path.exists():
            return None
        record = json.loads(path.read_text())
        return record if record["pid"] == self.process.pid else None

    def page(self, path):
        return get(f"http://127.0.0.1:{self.port}{path}")

    def metrics(self):
        return {name: float(value) for name, value in re.findall(r"^(\w+(?:{.*})?) (\S+)$", self.page("/metrics"), re.M)}

    def command(self, *arguments):
        ran = subprocess.run([BINARY, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        check(ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}")
        return ran.stdout + ran.stderr

    def log(self):
        return [json.loads(line) for line in (self.home / "logs/picoclaw.log").read_text().splitlines()]

    def stop(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        same(self.process.wait(5), 0, "the exit status")
        return time.monotonic() - began


class Client:
    """A `pico` client."""

    def __init__(self, gateway, session):
        self.url, self.session = f"ws://127.0.0.1:{gateway.port}/pico/ws?session_id={session}", session

    async def __aenter__(self):
        self.socket = await websockets.connect(self.url, subprotocols=[f"token.{TOKEN}"], proxy=None)
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def say(self, text, final):
        """Sends a message; the frames until the answer is whole."""
        await self.socket.send(json.dumps({"type": "message.send", "id": "m", "payload": {"content": text}}))
        frames = []
        while True:
            frames.append(json.loads(await asyncio.wait_for(self.socket.recv(), 30)))
            same(frames[-1]["session_id"], self.session, "the session")
            payload = frames[-1].get("payload", {})
            if "usage" in payload and final in payload.get("content", ""):
                return frames
