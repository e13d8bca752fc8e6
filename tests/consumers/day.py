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
import gzip
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
from datetime import datetime, timezone

import websockets

from faketime import Clock
from models import Models
from stack import free_port, get, wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
NOON = datetime(2026, 10, 24, 10, 0, tzinfo=timezone.utc).timestamp()  # 12:00 in Berlin
HALF_HOUR, SLOTS, WARM = 1800, 48, 6
# How much faster than usual the clock runs while nothing is due, and around what is due.
FAST, CAREFUL = 1200, 60
# How much memory may have grown since it was warm, in MiB.
GROWTH = 3.0
TOKEN = "pico-token"
AT_NIGHT = "30 2 * * *"


def job(name, schedule, first=None, **payload):
    state = {"nextRunAtMs": int(first * 1000)} if first else {}
    payload = {"kind": "agent_turn", "message": f"job {name}", "channel": "cli", "to": "direct", **payload}
    return {"id": name, "name": name, "enabled": True, "schedule": schedule, "payload": payload, "state": state,
            "createdAtMs": int(NOON * 1000), "updatedAtMs": int(NOON * 1000), "deleteAfterRun": schedule["kind"] == "at"}


def jobs():
    every = lambda seconds: {"kind": "every", "everyMs": seconds * 1000}
    cron = lambda expression, zone: {"kind": "cron", "expr": expression, "tz": zone}
    return [
        job("half-hourly", every(HALF_HOUR), NOON + HALF_HOUR),
        job("hourly", cron("0 * * * *", "Europe/Berlin")),
        job("nightly", cron(AT_NIGHT, "Europe/Berlin")),
        job("breakfast", cron("0 8 * * *", "Europe/Berlin")),
        job("once", {"kind": "at", "atMs": int((NOON + 10 * HALF_HOUR) * 1000)}, NOON + 10 * HALF_HOUR),
        job("ticks", every(4 * HALF_HOUR), NOON + 4 * HALF_HOUR, message="", command="echo tick >> ticks.txt"),
        job("broken", cron("0 */6 * * *", "UTC"), message="", command="exit 3"),
    ]


def due(slot):
    """What runs at the end of a half hour, and how that ends. The hour from two to three comes twice this night."""
    runs = collections.Counter({("half-hourly", "ok"): 1})
    utc = datetime.fromtimestamp(NOON + slot * HALF_HOUR, timezone.utc)
    runs["hourly", "ok"] = utc.minute == 0
    runs["nightly", "ok"] = (utc.hour, utc.minute) == (0, 30)  # 02:30 in summer; 01:30 is 02:30 in winter
    runs["breakfast", "ok"] = (utc.hour, utc.minute) == (7, 0)
    runs["once", "ok"] = slot == 10
    runs["ticks", "ok"] = slot % 4 == 0
    runs["broken", "error"] = utc.minute == 0 and utc.hour % 6 == 0
    return +runs


def configuration(models, port, extra=False):
    model = lambda name, provider: {
        "model_name": name, "provider": provider, "model": name, "api_keys": [f"sk-{name}-0123456789"],
        "api_base": f"http://127.0.0.1:{models.port}/{name}/v1", "streaming": {"enabled": True},
    }
    log = {"path": "logs/picoclaw.log", "level": "debug", "max_size_mb": 0.2, "max_backups": 0, "max_age_days": 2}
    return {
        "version": 3,
        "agents": {"defaults": {"model_name": "gpt", "model_fallbacks": ["glm"], "max_llm_retries": 1}},
        "model_list": [model("gpt", "openai"), model("glm", "openrouter"), {"model_name": "echo", "model": "echo/echo"}]
        + [model("more", "groq")] * extra,
        "channel_list": {"pico": {"enabled": True, "settings": {
            "token": TOKEN, "streaming": {"enabled": True}, "ping_interval": 600, "read_timeout": 7200, "write_timeout": 600}}},
        "gateway": {"host": "127.0.0.1", "port": port},
        "heartbeat": {"enabled": True, "interval": 30},
        "telemetry": {"sinks": [{"type": "prometheus"}, {"type": "newrelic"},
                                {"type": "jsonlog", "filter": {"exclude": ["log"]}, "options": log}]},
    }


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

    def now(self):
        return datetime.fromisoformat(json.loads(get(f"{self.url}/health"))["time"]).timestamp()

    def metrics(self):
        return {k: float(v) for k, v in re.findall(r"^(\w+(?:{.*})?) (\S+)$", get(f"{self.url}/metrics"), re.M)}

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
        # A configuration that cannot be used is refused, and nothing changes.
        (self.home / "config.json").write_text('{"gateway": {"port": "x"}}')
        self.gateway.send_signal(signal.SIGHUP)
        wait_for("the refusal", lambda: self.metrics()['picoclaw_config_reloads_total{outcome="failure"}'] == 1)

    # What came of it.

    def log_lines(self):
        """All lines of all logs, in the order in which they were written."""
        lines = []
        for path in (self.home / "logs").iterdir():
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            lines += [json.loads(line) for line in text.splitlines()]
        return sorted(lines, key=lambda line: line.get("seq", 0))

    def sessions(self):
        """The messages of each session, by its key."""
        files = (self.home / "workspace/sessions").glob("*.jsonl")
        return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in files}

    def expected(self):
        """What the metrics must say."""
        did, models = self.did, self.models
        status = lambda s: sum(n for (_, ended), n in self.jobs.items() if ended == s)
        agents = sum(n for (name, _), n in self.jobs.items() if name not in ("ticks", "broken"))
        return {
            "picoclaw_messages_total": did["messages"],
            "picoclaw_messages_active": 0,
            'picoclaw_turns_total{origin="user",status="completed"}': did["completed"],
            'picoclaw_turns_total{origin="user",status="failed"}': did["failed"],
            'picoclaw_turns_total{origin="user",status="timeout"}': did["timeout"],
            'picoclaw_turns_total{origin="cron",status="completed"}': agents,
            'picoclaw_turns_total{origin="heartbeat",status="completed"}': SLOTS + 1,
            'picoclaw_heartbeats_total{outcome="silent"}': SLOTS + 1,
            'picoclaw_cron_runs_total{status="ok"}': status("ok"),
            'picoclaw_cron_runs_total{status="error"}': status("error"),
            'picoclaw_cron_missed_total{reason="downtime"}': 0,
            'picoclaw_cron_missed_total{reason="running"}': 0,
            'picoclaw_cron_runs_active': 0,
            'picoclaw_cron_jobs{state="enabled"}': 6,
            'picoclaw_provider_requests_total{provider="openai"}': len(models.requests("gpt")),
            'picoclaw_provider_errors_total{provider="openai"}': models.refused["gpt"],
            'picoclaw_provider_requests_total{provider="openrouter"}': len(models.requests("glm")),
            'picoclaw_provider_errors_total{provider="openrouter"}': models.refused["glm"],
            'picoclaw_provider_cooldown_active{provider="openai"}': 0,
            'picoclaw_tool_results_total{tool="read_file",status="success"}': did["tool read_file"],
            'picoclaw_tool_results_total{tool="exec",status="success"}': did["tool exec"],
            # The commands of jobs are no calls of a model.
            'picoclaw_tool_results_total{tool="exec",status="error"}': 0,
            'picoclaw_tool_results_total{tool="cron",status="success"}': did["tool cron"],
            'picoclaw_outbound_messages_total{channel="pico",outcome="success"}': did["outbound"],
            'picoclaw_outbound_messages_total{channel="pico",outcome="failure"}': 0,
            'picoclaw_config_reloads_total{outcome="success"}': did["reload success"],
            'picoclaw_session_writes_total{outcome="failure"}': 0,
            'picoclaw_session_read_failures_total': 0,
            'picoclaw_sink_gaps_total{sink="jsonlog"}': 0,
            'picoclaw_sink_restarts_total{sink="jsonlog"}': 0,
        }


# What the log calls what a metric counts.
KINDS = {
    "picoclaw_messages_total": "channel.message.received",
    "picoclaw_turns_total": "agent.turn.end",
    "picoclaw_provider_requests_total": "agent.llm.response",
    "picoclaw_provider_retries_total": "agent.llm.retry",
    "picoclaw_provider_cooldowns_total": "agent.llm.cooldown_started",
    "picoclaw_tool_results_total": "agent.tool.exec_end",
    "picoclaw_cron_runs_total": "cron.run.end",
    "picoclaw_heartbeats_total": "heartbeat.end",
    "picoclaw_outbound_messages_total": "channel.outbound.sent",
    "picoclaw_compactions_total": "agent.context.compress",
}


def judge(day, metrics):
    """Everything that must hold, with whether it does."""
    for series, value in day.expected().items():
        yield f"{series} is {value}", metrics.get(series) == value, metrics.get(series)
    lines = day.log_lines()
    numbers = [line["seq"] for line in lines if "seq" in line]
    yield f"the log has {len(numbers)} lines without a hole", numbers == list(range(1, len(numbers) + 1)), ""
    kinds = collections.Counter(line.get("kind") for line in lines)
    total = lambda name: sum(value for series, value in metrics.items() if series.split("{")[0] == name)
    for name, kind in KINDS.items():
        yield f"the log has {kinds[kind]} lines {kind}", kinds[kind] == total(name), f"{name} {total(name)}"
    errors = [line["message"] for line in lines if line.get("level") == "error"]
    errors += re.findall(r"^\S+ ERROR \w+ ([^=]*) \w+=", (day.folder / "output").read_text(), re.M)
    refused = "Configuration refused, nothing changed"
    yield "nothing is an error but the refusal, in the log and on the terminal", errors == [refused] * 2, errors
    rotated = list((day.home / "logs").glob("picoclaw.log.2*"))
    yield f"the log was rotated {len(rotated)} times, and what was two days old is gone", len(rotated) > 3 and not day.old_log.exists(), rotated

    ran = collections.Counter((line["name"], line["status"]) for line in lines if line.get("kind") == "cron.run.end")
    yield f"each of {sum(day.jobs.values())} runs was one of its job", ran == +day.jobs, ran
    at_night = [line["time"] for line in lines if line.get("kind") == "cron.run.start" and line.get("name") == "nightly"]
    yield f"{AT_NIGHT} ran at {', '.join(at_night)}", [t[:16] for t in at_night] == ["2026-10-25T00:30"], ""
    ticks = (day.home / "workspace/ticks.txt").read_text().count("tick\n")
    yield f"a job's command ran {ticks} times", ticks == day.jobs["ticks", "ok"], day.jobs["ticks", "ok"]

    sessions, said = day.sessions(), collections.Counter()
    for key, messages in sessions.items():
        asked = sum(message["role"] == "user" for message in messages)
        meta = json.loads((day.home / f"workspace/sessions/{key}.meta.json").read_text())
        assert meta["count"] == len(messages), (key, meta["count"], len(messages))
        chat = meta["scope"]["values"]["chat"].split(":")[-1]
        said["cron" if key.startswith("agent_cron-") else "pico" if chat == "day" else chat] += asked
    talked = {name.removeprefix("session "): count for name, count in day.did.items() if name.startswith("session ")}
    talked["cron"] = sum(n for (name, _), n in day.jobs.items() if name not in ("ticks", "broken"))
    yield f"{len(sessions)} sessions have {sum(said.values())} messages of people and jobs", said == talked, (said, talked)

    grown = day.memory[-1] - day.warm
    megabytes = " ".join(f"{sample:.1f}" for sample in [day.warm, *day.memory])
    yield f"memory is flat within {GROWTH:.0f} MiB: {megabytes}", grown < GROWTH, grown


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
