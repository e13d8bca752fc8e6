"""What a gateway works with beside models, such that alerts.py can break it: a chat network, a hook, an MCP server, a
plugin and scheduled jobs; and the faults of these."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

from faults import meanwhile
from stack import Server, wait_for

HELPER = pathlib.Path(__file__).with_name("helper.py")


class BotApi:
    """Telegram, as far as a bot needs it. One person writes; the bot may be blocked by that person."""

    def __init__(self):
        self.messages, self.sent, self.blocked, self.server = [], 0, False, Server(self.answer)
        self.port = self.server.port

    def answer(self, path, body):
        method = path.rpartition("/")[2]
        if method == "getMe":
            result = {"id": 7, "is_bot": True, "first_name": "Bot", "username": "bot"}
        elif method == "getUpdates":
            begin = json.loads(body).get("offset", 0)
            result = [message for message in self.messages if message["update_id"] >= begin]
        elif method == "sendMessage" and self.blocked:
            why = "Forbidden: bot was blocked by the user"
            return 403, json.dumps({"ok": False, "error_code": 403, "description": why}).encode()
        elif method == "sendMessage":
            self.sent += 1
            result = {"message_id": self.sent, "date": 0, "chat": {"id": 1, "type": "private"}}
        else:
            result = True
        return 200, json.dumps({"ok": True, "result": result}).encode()

    def say(self, text):
        """The person writes."""
        number = len(self.messages) + 1
        person = {"id": 1, "is_bot": False, "first_name": "Ann", "username": "ann"}
        message = {"message_id": number, "date": 0, "text": text, "from": person, "chat": {"id": 1, "type": "private"}}
        self.messages.append({"update_id": number, "message": message})

    @contextlib.contextmanager
    def away(self):
        """Nobody answers at its address until the block ends."""
        self.server.stop()
        try:
            yield
        finally:
            self.server = Server(self.answer, self.port)

    def stop(self):
        self.server.stop()


class Helper:
    """A hook, an MCP server or a plugin whose mood can be changed."""

    def __init__(self, role, home):
        self.mood = home / f"{role}.mood"
        self.command = [sys.executable, str(HELPER), role, str(self.mood)]

    @contextlib.contextmanager
    def being(self, mood):
        self.mood.write_text(mood)
        try:
            yield
        finally:
            self.mood.unlink()


class Parts:
    """All of these, and what must stand in the configuration for them."""

    def __init__(self, home):
        self.chats = BotApi()
        self.hook, self.server, self.plugin = (Helper(role, home) for role in ("hook", "mcp", "plugin"))

    def configuration(self):
        program, *arguments = self.server.command
        network = {"token": "7:bot", "base_url": f"http://127.0.0.1:{self.chats.port}", "poll_timeout": 1}
        gate = {"enabled": True, "command": self.hook.command, "intercept": ["before_tool"]}
        files = {"enabled": True, "command": program, "args": arguments}
        return {
            "channel_list": {"telegram": {"enabled": True, "settings": network}},
            "hooks": {"defaults": {"interceptor_timeout_ms": 200}, "processes": {"gate": gate}},
            "tools": {
                "mcp": {"enabled": True, "servers": {"files": files}},
                "plugins": {"helper": {"command": self.plugin.command}},
            },
        }


@contextlib.contextmanager
def job(gateway, name, message, seconds):
    """A scheduled job until the block ends."""
    cron = lambda *arguments: subprocess.run(
        [str(gateway.binary), "cron", *arguments], env={**os.environ, "PICOCLAW_HOME": str(gateway.home)},
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout
    cron("add", "--name", name, "--message", message, "--every", str(seconds))
    [number] = [job["id"] for job in json.loads(cron("list", "--json")) if job["name"] == name]
    try:
        yield
    finally:
        cron("remove", number)


HEARTBEAT = "workspace/HEARTBEAT.md"


def heartbeat(home):
    """The next start has a heartbeat that fails when Prometheus has had time to see that none has."""
    (home / HEARTBEAT).write_text("!slow 12s\n!fail server\n")


def faults(gateway, watch, parts):
    """First what goes wrong while all run, then what happens when they are gone."""
    watch.expect("HeartbeatFails")
    # A stop would wait for further ones.
    (gateway.home / HEARTBEAT).unlink()
    tool = lambda: gateway.say('!tool list_dir {"path": "."}\nlook')
    jobs = gateway.home / "workspace/cron/jobs.json"
    with job(gateway, "good", "hello", 1), job(gateway, "bad", "!fail server", 1), job(gateway, "late", "!slow 9s", 1):
        parts.chats.blocked = True
        mute, dead = parts.hook.being("mute"), parts.server.being("dead")
        with mute, dead, meanwhile(tool, lambda: parts.chats.say("hello"), lambda: gateway.say("hello", model="dear")):
            watch.expect("MessagesUndelivered", "HookFails", "McpServerDown", "JobsFail", "JobsMissed", "SpendingHigh")
        parts.chats.blocked = False
        good = jobs.read_text()
        with parts.chats.away(), parts.hook.being("dead"), parts.plugin.being("unwell"), meanwhile(lambda: jobs.write_text("{")):
            watch.expect("ChannelDown", "HookDown", "PluginDown", "JobsUnusable")
        jobs.write_text(good)
    answered = parts.chats.sent
    parts.chats.say("are you back?")
    wait_for("an answer over the channel", lambda: parts.chats.sent > answered)
