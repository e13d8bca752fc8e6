"""A real IRC server, ngIRCd of Debian, between people and the real binary.

    python irc.py BINARY

Every failure is an exception; the last line counts.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from stack import Program, free_port, get, wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
SERVER = shutil.which("ngircd", path=os.environ["PATH"] + ":/usr/sbin")
checks = 0


def check(condition, what):
    """Counts what holds."""
    global checks
    if not condition:
        raise AssertionError(what)
    checks += 1


class Person:
    """A client without a library, on a server that wants a password."""

    def __init__(self, port, nick):
        self.stream = socket.create_connection(("127.0.0.1", port), 10).makefile("rw", newline="\r\n", encoding="utf-8")
        self.say("PASS let-me-in")
        self.say(f"NICK {nick}")
        self.say(f"USER {nick} 0 * :{nick}")
        self.until(" 001 ")

    def say(self, line):
        self.stream.write(line + "\r\n")
        self.stream.flush()

    def until(self, part):
        """The next line with this in it."""
        while True:
            line = self.stream.readline().rstrip("\r\n")
            if not line:
                raise AssertionError(f"the server went away before {part}")
            if line.startswith("PING"):
                self.say("PONG" + line[4:])
            if part in line:
                return line


def server(home, port):
    """ngIRCd, in the foreground."""
    configuration = home / "ngircd.conf"
    configuration.write_text(
        f"[Global]\nName = irc.test\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\nPassword = let-me-in\nMotdPhrase = hi\n"
        f"PidFile =\nServerUID = {os.getuid()}\nServerGID = {os.getgid()}\n"
        "[Options]\nDNS = no\nIdent = no\nPAM = no\n[Limits]\nMaxConnectionsIP = 0\nPingTimeout = 60\nPongTimeout = 20\n"
    )
    running = Program("ngircd", [SERVER, "-n", "-f", configuration], home)
    wait_for("the server", lambda: listens(port))
    return running


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main():
    with tempfile.TemporaryDirectory() as directory:
        home = pathlib.Path(directory)
        irc, port = free_port(), free_port()
        ngircd = server(home, irc)
        settings = {"server": f"127.0.0.1:{irc}", "nick": "pico", "password": "let-me-in", "channels": ["room"]}
        channel = {"enabled": True, "group_trigger": {"mention_only": True}, "settings": settings}
        (home / "config.json").write_text(json.dumps({"gateway": {"port": port}, "channel_list": {"irc": channel}}))
        gateway = Program("gateway", [BINARY, "gateway"], home, PICOCLAW_HOME=str(home))

        def number(series):
            found = re.search(rf"^{re.escape(series)} (\S+)$", get(f"http://127.0.0.1:{port}/metrics") or "", re.M)
            return found and float(found[1])

        up = lambda: number('picoclaw_channel_up{channel="irc"}')
        count = lambda outcome: number(f'picoclaw_outbound_messages_total{{channel="irc",outcome="{outcome}"}}')
        try:
            wait_for("the channel", lambda: up() == 1)
            ann = Person(irc, "ann")
            ann.say("PRIVMSG pico :hello there")
            check(ann.until("PRIVMSG").endswith(" PRIVMSG ann :hello there"), "a person alone is answered")
            ann.say("JOIN #room")
            check("pico" in ann.until(" 353 "), "it is in its room")
            ann.say("PRIVMSG #room :nothing for you")
            ann.say("PRIVMSG #room :pico: grüße\u2026")
            check(ann.until("PRIVMSG").endswith(" PRIVMSG #room :grüße\u2026"), "a mention is answered in the room")
            long = "word " * 80
            ann.say(f"PRIVMSG pico :{long.strip()}")
            lines = [ann.until("PRIVMSG").split(" :", 1)[1]]
            while len(" ".join(lines)) < len(long.strip()):
                lines.append(ann.until("PRIVMSG").split(" :", 1)[1])
            check(" ".join(lines) == long.strip(), "a long answer arrives whole")
            wait_for("the counts", lambda: count("success") == 3)
            check(number("picoclaw_messages_total") == 3, "and no other message was taken")
            tool = {"channel": "irc", "chat_id": "nobody", "content": "x"}
            ann.say(f"PRIVMSG pico :!tool message {json.dumps(tool)}")
            check("No such nick" in ann.until("PRIVMSG"), "who is not there gets nothing, and the model hears of it")
            check(count("failure") == 1, "it counts as not delivered")

            ngircd.stop()
            wait_for("the loss", lambda: up() == 0)
            health = json.loads(get(f"http://127.0.0.1:{port}/health"))
            check("channel_irc_down" in health["issues"], "health says so")
            ngircd = server(home, irc)
            wait_for("the channel again", lambda: up() == 1, 60)
            bob = Person(irc, "bob")
            bob.say("PRIVMSG pico :still there?")
            check(bob.until("PRIVMSG").endswith(":still there?"), "it is back")
            check("let-me-in" not in (home / "logs/picoclaw.log").read_text(), "the password is in no log")
        finally:
            gateway.stop()
            ngircd.stop()
    print(f"irc: {checks} checks")


if not SERVER:
    raise SystemExit("ngircd is not installed")
main()
