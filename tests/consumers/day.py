"""A day in the life of a gateway, in about two minutes.

    python tests/consumers/day.py BINARY

The real binary runs for 24 hours of its own time, from noon on the day before the clocks go back in Berlin, by the
clock of `libfaketime`: fast while nothing is to happen, and at its usual speed while somebody talks to it. People chat
over HTTP and `pico`, tools and commands are used, jobs and the heartbeat run, models fail, rest and come back, the
configuration is reloaded, well and badly, and the log is rotated. In the end memory must be as flat as it was after
three hours, and what the metrics, the log's lines and the sessions on the disk say must equal what was done.

While the clock runs fast the machine is, by that clock, a thousand times slower than it is, and the gateway says so:
`event_loop_slow` comes and goes in its health. All numbers hold nevertheless.
"""

import asyncio
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import datetime

import websockets

from day_account import judge
from day_plan import HALF_HOUR, NOON, SLOTS, TOKEN, configuration, due, jobs
from faketime import Clock
from models import Models
from stack import free_port, get, wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
# The half hour after which memory is warm.
WARM = 6
# How much faster than usual the clock runs while nothing is due, and around what is due.
FAST, CAREFUL = 1200, 60


class Day:
    def __init__(self, folder):
        self.folder, self.home, self.models, self.port = folder, folder / "home", Models(), free_port()
        (self.home / "workspace/cron").mkdir(parents=True)
        (self.home / "workspace/HEARTBEAT.md").write_text("# Tasks\n\n- Look at the plants.\n")
        (self.home / "workspace/notes.txt").write_text("Buy milk.\n")
        (self.home / "workspace/cron/jobs.json").write_text(json.dumps({"version": 1, "jobs": jobs()}, indent=2))
        self.configure()
        (self.home / "logs").mkdir()
        # A log of before, which is two days old in the middle of the day.
        self.old_log = self.home / "logs/picoclaw.log.20261022T210000.000000Z"
        self.old_log.write_text("{}\n")
        os.utime(self.old_log, (NOON - 36 * 3600,) * 2)
        self.did, self.jobs, self.memory = collections.Counter(), collections.Counter(), []
        self.clock = Clock(folder / "clock", NOON, self.now)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PICOCLAW_")}
        environment |= {"PICOCLAW_HOME": str(self.home), "TZ": "Europe/Berlin", "NO_PROXY": "*", **self.clock.environment()}
        self.output = open(folder / "output", "wb")
        self.gateway = subprocess.Popen([BINARY, "gateway"], env=environment, stdout=self.output, stderr=self.output)
        wait_for("the gateway", lambda: get(f"{self.url}/ready"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def configure(self, **more):
        (self.home / "config.json").write_text(json.dumps(configuration(self.models, self.port, **more)))

    def page(self, path):
        """A page. While the clock runs fast a request of ours may be too slow for the gateway: then another one."""
        return wait_for(path, lambda: get(f"{self.url}{path}"))

    def now(self):
        return datetime.fromisoformat(json.loads(self.page("/health"))["time"]).timestamp()

    def metrics(self):
        return {k: float(v) for k, v in re.findall(r"^(\w+(?:{.*})?) (\S+)$", self.page("/metrics"), re.M)}

    def sum(self, name):
        return sum(value for series, value in self.metrics().items() if series.split("{")[0] == name)

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.gateway.pid}/status").read_text())[1]) / 1024

    # What people do.

    def post(self, text, session, model="gpt", stream=False, timeout=60):
        body = {"model": model, "messages": [{"role": "user", "content": text}], "session_id": session, "stream": stream}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def talk(self, text, session, expected="heard", **more):
        status, answer = self.post(text, session, **more)
        assert status == 200 and expected in answer, (text, status, answer)
        self.did.update(["messages", "completed", f"session {session}"])

    def fail(self, text, status, outcome, **more):
        found, answer = self.post(text, "failing", **more)
        assert found == status, (text, found, answer)
        self.did.update(["messages", outcome])

    async def write(self, client, text, expected):
        """Over `pico`, until the answer is whole."""
        await client.send(json.dumps({"type": "message.send", "id": "m", "payload": {"content": text}}))
        frame = {}
        while not (frame.get("type") in ("message.create", "message.update") and "usage" in frame["payload"]
                   and expected in frame["payload"]["content"]):
            frame = json.loads(await asyncio.wait_for(client.recv(), 30))
        self.did.update(["messages", "completed", "session pico", "outbound"])

    def reload(self, expected, **more):
        self.configure(**more)
        before = self.metrics()[f'picoclaw_config_reloads_total{{outcome="{expected}"}}']
        self.gateway.send_signal(signal.SIGHUP)
        series = f'picoclaw_config_reloads_total{{outcome="{expected}"}}'
        wait_for("the reload", lambda: self.metrics()[series] == before + 1)
        self.did[f"reload {expected}"] += 1

    async def people(self, slot, client):
        """What happens at the end of a half hour, by a clock of the usual speed."""
        self.talk(f"hello {slot}", f"http-{slot % 5}")
        self.talk(f"a stream {slot}", f"http-{slot % 5}", stream=True)
        await self.write(client, f"over pico {slot}", f"heard: over pico {slot}")
        if slot % 4 == 0:
            await self.write(client, 'tool read_file {"path": "notes.txt"}', "Buy milk.")
            self.did["tool read_file"] += 1
        if slot % 6 == 0:
            await self.write(client, 'tool exec {"action": "run", "command": "echo done"}', "done")
            self.did["tool exec"] += 1
        if slot % 12 == 1:
            self.talk('!tool cron {"action": "add", "message": "tea", "at_seconds": 1800}', "echo", "Added", model="echo")
            self.did["tool cron"] += 1
            self.reminder = True
        if slot % 12 == 7:
            # The first model is down for a message; the second one answers, and the first rests for a minute.
            self.models.down.add("gpt")
            self.talk("who is there?", "outage", "glm heard")
            self.models.down.clear()
        if slot % 12 == 9:
            self.models.down.update(["gpt", "glm"])
            self.fail("is anybody there?", 502, "failed")
            self.models.down.clear()
        if slot == 20:
            self.clock.run(CAREFUL)
            self.fail("!hang", 504, "timeout", model="echo")
            self.clock.run(1)
        if slot % 12 == 11:
            self.reload("success", extra=slot % 24 == 11)

    async def live(self):
        url, self.reminder = f"ws://127.0.0.1:{self.port}/pico/ws?session_id=day", False
        connection = websockets.connect(url, subprotocols=[f"token.{TOKEN}"], ping_interval=None, proxy=None)
        async with connection as client:
            for slot in range(1, SLOTS + 1):
                moment = NOON + slot * HALF_HOUR
                self.jobs += due(slot)
                self.jobs["tea", "ok"] += self.reminder
                self.reminder = False
                self.clock.run_until(moment - 60, FAST)
                self.clock.run_until(moment, CAREFUL)
                runs, beats = sum(self.jobs.values()), slot + 1
                wait_for(f"{runs} runs", lambda: self.sum("picoclaw_cron_runs_total") >= runs)
                wait_for(f"{beats} heartbeats", lambda: self.sum("picoclaw_heartbeats_total") >= beats)
                self.clock.run(1)
                # The library answers pings only while it is waited for.
                await asyncio.sleep(0.02)
                await self.people(slot, client)
                if slot == WARM:
                    self.warm = self.resident()
                if slot % 6 == 0:
                    self.memory.append(self.resident())
        wait_for("the client to be gone", lambda: self.sum("picoclaw_channel_clients") == 0)
        wait_for("good health", lambda: json.loads(self.page("/health"))["status"] == "healthy")
        # A configuration that cannot be used is refused, and nothing changes.
        (self.home / "config.json").write_text('{"gateway": {"port": "x"}}')
        self.gateway.send_signal(signal.SIGHUP)
        wait_for("the refusal", lambda: self.metrics()['picoclaw_config_reloads_total{outcome="failure"}'] == 1)


def main():
    began = time.monotonic()
    # On a disk of memory: at twelve hundred times its speed the gateway would find every other one slow.
    folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm"))
    day = Day(folder)
    try:
        asyncio.run(day.live())
        end, metrics = day.now(), day.metrics()
        day.gateway.send_signal(signal.SIGTERM)
        status = day.gateway.wait(30)
        bad = 0
        for what, holds, found in judge(day, metrics):
            bad += not holds
            print(f"✓ {what}" if holds else f"✗ {what}: {found}")
        bad += status != 0
        print(f"{(end - NOON) / 3600:.2f} hours in {time.monotonic() - began:.0f} s, exit status {status}")
    except BaseException:
        print(f"left in {folder}; it said:\n{(folder / 'output').read_text()[-2000:]}", file=sys.stderr)
        raise
    finally:
        day.gateway.kill()
        day.models.stop()
    if not bad:
        shutil.rmtree(folder)
    print("a day: " + ("everything was as it should be" if not bad else f"{bad} things were not, see {folder}"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
