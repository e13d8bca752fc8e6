"""rsyslog follows the log while it is rotated, by the gateway and by logrotate, both with the shipped files.

    python tests/consumers/logs.py BINARY

`seq` numbers the lines without holes, so it proves what was lost and what came twice: in the files, and at the
collector.
"""

import collections
import contextlib
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from stack import CONFIG, Gateway, Program, wait_for

CONFIGURATION = {
    "agents": {"defaults": {"max_parallel_turns": 8}},
    "gateway": {},
    "logging": {"max_size": 1, "max_backups": 0, "level": "debug"},
}


def numbers(lines):
    """How often each `seq` occurs."""
    return collections.Counter(json.loads(line)["seq"] for line in lines if line.strip())


def in_the_files(folder):
    """How often each `seq` occurs in the log and all rotated ones."""
    found = collections.Counter()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".tmp" or path.with_name(f"{path.name}.gz").exists():
            # The gateway was stopped while it compressed; the next rotation cleans up.
            continue
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found += numbers(data.decode().splitlines())
    return found


def judge(what, found, last):
    """Complains about numbers that are missing or come twice."""
    missing = [number for number in range(1, last + 1) if number not in found]
    twice = [number for number, count in found.items() if count > 1]
    print(f"{'FAIL ' if missing or twice else 'ok   '} {what}: {last} lines, {len(missing)} lost, {len(twice)} twice")
    return bool(missing or twice)


class Rsyslog:
    """A real rsyslog with the shipped file; what it passes on goes into a file."""

    def __init__(self, home, folder):
        self.home, self.out = home, home / "collected.json"
        text = (CONFIG / "rsyslog/picoclaw.conf").read_text().replace("/var/log/picoclaw", str(folder))
        to_file = f'action(type="omfile" file="{self.out}" template="picoclaw-line")'
        text, count = re.subn(r"^ +action\(type=\"omfwd\".*?\)$", f"    {to_file}", text, flags=re.M | re.S)
        assert count == 1, "the shipped file has no omfwd action any more"
        head = f'global(workDirectory="{home}" maxMessageSize="64k")\n'
        (home / "rsyslog.conf").write_text(head + text)
        command = ["rsyslogd", "-n", "-f", home / "rsyslog.conf", "-i", home / "rsyslog.pid"]
        self.program = Program("rsyslog", command, home)

    def lines(self):
        return self.out.read_text().splitlines() if self.out.exists() else []


def chatter(gateway, over):
    """Sends messages until it is over, from several sides."""
    def keep():
        while not over.is_set():
            gateway.say("hello " * 200)

    threads = [threading.Thread(target=keep) for _ in range(4)]
    for thread in threads:
        thread.start()
    return threads


def rotated(folder):
    return [path for path in folder.iterdir() if path.name != "picoclaw.log"]


def scene(binary, home, name, rotate):
    """Traffic during which `rotate(gateway, folder)` waits for or makes rotations; whether something went wrong."""
    home = home / name
    folder = home / "logs"
    for path in [folder, home / "gateway", home / "rsyslog"]:
        path.mkdir(parents=True)
    with contextlib.ExitStack() as cleanup:
        collector = Rsyslog(home / "rsyslog", folder)
        cleanup.callback(collector.program.stop)
        settings = {**CONFIGURATION, "logging": {**CONFIGURATION["logging"], "output": str(folder / "picoclaw.log")}}
        if name == "logrotate":
            settings["logging"]["max_size"] = 1_048_576
        gateway = Gateway(binary, home / "gateway", settings)
        cleanup.callback(lambda: gateway.stop())
        wait_for("the first line at the collector", collector.lines)
        over = threading.Event()
        threads = chatter(gateway, over)
        try:
            rotate(gateway, folder)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        gateway.stop()
        files = in_the_files(folder)
        last = max(files)
        with contextlib.suppress(AssertionError):  # Judged below, with how many.
            wait_for("the last line at the collector", lambda: f'"seq":{last}}}' in (collector.lines() or [""])[-1], 15)
        count = len(rotated(folder))
        return judge(f"{name}: files after {count} rotations", files, last) | judge(
            f"{name}: rsyslog after {count} rotations", numbers(collector.lines()), last)


def by_itself(_gateway, folder):
    wait_for("four rotations", lambda: len(rotated(folder)) >= 4, 120)


def by_logrotate(gateway, folder):
    text = (CONFIG / "logrotate/picoclaw").read_text().replace("/var/log/picoclaw", str(folder))
    text, count = re.subn("PICOCLAW_HOME=.* reload", f"kill -HUP {gateway.program.process.pid}", text)
    assert count == 1, "the shipped file does not tell the gateway any more"
    path = folder.parent / "logrotate.conf"
    path.write_text(text)
    log = folder / "picoclaw.log"
    for _ in range(4):
        wait_for("lines in the log", lambda: log.exists() and log.stat().st_size > 200_000)
        subprocess.run(["logrotate", "--force", "--state", folder.parent / "state", path], check=True)


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    home = pathlib.Path(tempfile.mkdtemp(prefix="picoclaw-logs-"))
    try:
        scenes = [("gateway", by_itself), ("logrotate", by_logrotate)]
        failed = [scene(binary, home, name, rotate) for name, rotate in scenes]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print("logs: failed" if any(failed) else "logs: passed")
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
