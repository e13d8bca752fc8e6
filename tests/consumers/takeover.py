"""A home directory of the existing PicoClaw, taken over as it is.

    python tests/consumers/takeover.py BINARY

The directory `existing_home` has the files that the gateway in Go leaves behind. The real binary is started on a copy,
as the launcher starts it, and a `pico` client (the `websockets` library), scheduled jobs, a hook, an MCP server
(`mcp-server-time`) and models that fail go on there. What a real Prometheus scrapes must equal what happened, and of
the files only those may be different that a conversation or a job changes. Every failure is an exception.
"""

import asyncio
import json
import pathlib
import re
import shutil
import sys
import tempfile
import time
from datetime import datetime

import existing
from existing import Client, Gateway, check, filled_in, same, tree
from models import Models
from stack import Prometheus, free_port, wait_for

HERE = pathlib.Path(__file__).parent
TIME = pathlib.Path(sys.executable).parent / "mcp-server-time"
ALIAS = "agent_main_pico_direct_pico_old"
LAPTOP = "sk_v1_77ecea8bdeddc2d40a281a7c027f7446d67aee9ff37d35e0c1ff5d9209c45714"


def launcher(gateway):
    """What the launcher looks at."""
    record = gateway.record()
    same(set(record), {"pid", "token", "version", "port", "host"}, "the pid file")
    check(re.fullmatch("[0-9a-f]{32}", record["token"]) and record["token"] != "00112233445566778899aabbccddeeff", record)
    same((gateway.home / ".picoclaw.pid").stat().st_mode & 0o777, 0o600, "the pid file's mode")
    arguments = pathlib.Path(f"/proc/{gateway.process.pid}/cmdline").read_bytes().split(b"\0")
    check(b"gateway" in arguments and b"picoclaw" in arguments[0], arguments)
    for path in ("/health", "/ready"):
        page = json.loads(gateway.page(path))
        check(isinstance(page["status"], str), page)
        check(re.fullmatch(r"(\d+h)?(\d+m)?\d+(\.\d+)?s", page["uptime"]), page["uptime"])
        for state in page.get("checks", {}).values():
            datetime.fromisoformat(state["timestamp"].replace("Z", "+00:00"))
    same(json.loads(gateway.page("/health"))["pid"], gateway.process.pid, "the pid of /health")
    said = gateway.output.read_text()
    for line in ("✓ Gateway started on", "✓ Health endpoints available at", "Press Ctrl+C to stop"):
        check(line in said, said)


def named_once(gateway):
    """What is in the configuration and not in this gateway is named in one line of the log, and in the status."""
    notices = [line for line in gateway.log() if "not used by this version" in json.dumps(line)]
    same(len(notices), 1, "notices in the log")
    status = gateway.command("status")
    check("maixcam (type maixcam, not supported by this version, does not run)" in status, status)
    same(status.count("not used by this version"), 1, "notices of the status")
    for name in ("channel_list.maixcam", "evolution"):
        check(name in json.dumps(notices) and name in status, (name, notices, status))
    check("maixcam" not in gateway.page("/health"), "an unsupported channel is not an unhealthy one")
    return status


def due_jobs(gateway, models):
    """Jobs whose time has passed run once; the others wait."""
    runs = lambda: sum(v for k, v in gateway.metrics().items() if k.startswith("picoclaw_cron_runs_total"))
    wait_for("the jobs", lambda: runs() == 3)
    path = gateway.home / "workspace/cron/jobs.json"
    jobs = {job["name"]: job for job in json.loads(path.read_text())["jobs"]}
    before = {job["name"]: job for job in json.loads((HERE / "existing_home/workspace/cron/jobs.json").read_text())["jobs"]}
    for name in ("new year", "report"):
        same(jobs[name], before[name], "a job that is not due")
    for name in ("count the notes", "disk"):
        same(jobs[name]["state"]["lastStatus"], "ok", name)
        check(jobs[name]["state"]["nextRunAtMs"] > time.time() * 1000, jobs[name])
        same(jobs[name].keys(), before[name].keys(), "the fields of a job")
    same((gateway.home / "workspace/disk.txt").read_text(), "full\n", "what a job's command wrote")
    # Nobody was connected to hear of the tea. It stays, and says so.
    tea = jobs["tea"]
    check(not tea["enabled"] and "connection" in tea["state"]["lastError"], tea)
    asked = sorted(text.splitlines()[-1] for text in models.texts("gpt") if text.startswith("[cron]"))
    same(asked, ["count the notes", "remind me of the tea"], "what the jobs asked")
    wait_for("the heartbeat", lambda: gateway.metrics()['picoclaw_heartbeats_total{outcome="silent"}'] == 1)
    metrics = gateway.metrics()
    same(metrics['picoclaw_cron_missed_total{reason="downtime"}'], 3, "missed runs")
    same([metrics[f'picoclaw_cron_runs_total{{status="{s}"}}'] for s in ("ok", "error")], [2, 1], "runs")
    ended = [line for line in gateway.log() if line.get("kind") == "cron.run.end" and line.get("level") != "info"]
    check(len(ended) == 1 and "connection" in json.dumps(ended), ended)


async def conversations(gateway, models):
    """Chats go on where they were, with streams, tools, an MCP server, a model that dies and its fallback."""
    async with Client(gateway, "laptop") as client:
        frames = await client.say("And the bicycle?", "gpt heard: And the bicycle?")
        kinds = [frame["type"] for frame in frames]
        check(kinds[0] == "typing.start" and "message.update" in kinds, kinds)
        asked = models.requests("gpt")[-1]
        seen = json.dumps(asked["messages"], ensure_ascii=False)
        for old in ("Ann asked about the bicycle.", "What is in notes.txt?", "Buy milk.", "It says <buy milk> & nothing else.",
                    "Thank you.", "You are welcome.", "The bicycle is in the cellar.", "Ann, in Berlin.", "weather"):
            check(old in seen, f"{old!r} is not in {seen}")
        for gone in ("Is the bicycle dry?", "torn by a cra"):
            check(gone not in seen, f"{gone!r} is in {seen}")
        called = [m["tool_calls"][0]["id"] for m in asked["messages"] if m.get("tool_calls")]
        answered = [m["tool_call_id"] for m in asked["messages"] if m["role"] == "tool"]
        same((called, answered), (["call_1"], ["call_1"]), "calls of the history")

        up = 'picoclaw_mcp_server_up{server="time"}'
        wait_for("the MCP server", lambda: gateway.metrics()[up] == 1, 60)
        call = 'tool mcp_time_get_current_time {"timezone": "Asia/Tokyo"}'
        frames = await client.say(call, "Asia/Tokyo")
        calls = [f for f in frames if f.get("payload", {}).get("kind") == "tool_calls"]
        same(calls[0]["payload"]["tool_calls"][0]["function"]["name"], "mcp_time_get_current_time", "the call")
        await client.say('tool read_file {"path": "notes.txt"}', "Buy milk.")

        models.down.add("gpt")
        frames = await client.say("Are you there?", "glm heard: Are you there?")
        same(frames[-1]["payload"]["model_name"], "glm", "who answered")
        models.down.clear()
        keys = {key for _, key in models.server.shown}
        same(keys, {f"Bearer sk-{key}-key-000{n}" for key, n in (("gpt", 1), ("gpt", 2), ("or-v1-glm", 1))}, "keys")
    async with Client(gateway, "old") as client:
        await client.say("And back?", "heard: And back?")
        seen = json.dumps([models.requests(name)[-1:] for name in ("gpt", "glm")])
        check("Which train goes to Hamburg?" in seen and "The ICE 704." in seen, seen)


def truth(gateway, prometheus, models):
    """What Prometheus shows is what happened."""
    gpt, glm = models.requests("gpt"), models.requests("glm")
    expected = {
        "picoclaw_messages_total": 5,
        'picoclaw_turns_total{origin="user",status="completed"}': 5,
        'picoclaw_turns_total{origin="cron",status="completed"}': 2,
        'picoclaw_turns_total{origin="heartbeat",status="completed"}': 1,
        'picoclaw_heartbeats_total{outcome="silent"}': 1,
        'picoclaw_provider_requests_total{provider="openai"}': len(gpt),
        'picoclaw_provider_errors_total{provider="openai"}': models.refused["gpt"],
        'picoclaw_provider_requests_total{provider="openrouter"}': len(glm),
        'picoclaw_provider_errors_total{provider="openrouter"}': 0,
        'picoclaw_tool_results_total{tool="mcp_time_get_current_time",status="success"}': 1,
        'picoclaw_tool_results_total{tool="read_file",status="success"}': 1,
        'picoclaw_mcp_server_up{server="time"}': 1,
        'picoclaw_hook_up{hook="audit"}': 1,
        'picoclaw_hook_calls_total{hook="audit",outcome="ok"}': 2,
        'picoclaw_outbound_messages_total{channel="pico",outcome="success"}': 5,
        'picoclaw_cron_runs_total{status="ok"}': 2,
        'picoclaw_cron_runs_total{status="error"}': 1,
        'picoclaw_cron_jobs{state="enabled"}': 3,
        'picoclaw_cron_jobs{state="disabled"}': 2,
        'picoclaw_session_writes_total{outcome="failure"}': 0,
        'picoclaw_session_read_failures_total': 0,
        'picoclaw_channel_up{channel="pico"}': 1,
    }
    same(models.refused["gpt"], 4, "two keys were each tried twice")
    metrics = gateway.metrics()
    for series, value in expected.items():
        same(metrics.get(series), value, series)
    for series, value in expected.items():
        wait_for(f"Prometheus to have {series} {value}", lambda: prometheus.values(series) == [value])
        check(True, series)
    audit = [json.loads(line) for line in (gateway.home / "hooks/audit.jsonl").read_text().splitlines()]
    ended = [m for m in audit if m.get("params", {}).get("kind") == "agent.turn.end"]
    same(len(ended), 8, "turns that the hook heard of")


def untouched(before, after):
    """Of what was there only conversations, jobs, the last chat and the pid file differ, and conversations have only grown."""
    changed = {path for path in before if after.get(path) != before[path]}
    sessions = [f"workspace/sessions/{name}" for name in (LAPTOP, ALIAS)]
    same(changed - {f"{s}.jsonl" for s in sessions} - {f"{s}.meta.json" for s in sessions},
         {".picoclaw.pid", "workspace/cron/jobs.json", "workspace/state/state.json"}, "files that changed")
    state = json.loads(after["workspace/state/state.json"])
    same(state["last_channel"], "pico:pico:old", "the last chat")
    check(set(state) >= {"last_channel", "timestamp"}, state)
    check(".picoclaw.pid" not in after, "the pid file is gone")
    old, new = before[sessions[0] + ".jsonl"], after[sessions[0] + ".jsonl"]
    check(new.startswith(old), "the history is as it was, and longer")
    for line in new[len(old):].decode().splitlines():
        message = json.loads(line)
        check(message["role"] in ("user", "assistant", "tool") and isinstance(message["content"], str), line)
    was, now = (json.loads(files[sessions[0] + ".meta.json"]) for files in (before, after))
    same((now.keys(), now["skip"], now["summary"], now["aliases"]), (was.keys(), was["skip"], was["summary"], was["aliases"]),
         "the metadata")
    same(now["count"], new.count(b"\n"), "the count of lines")
    return sorted(set(after) - set(before))


def older(models):
    """Layouts of before: read as they are, and rewritten by `picoclaw migrate`, with a backup."""
    for version in ("v0", "v1", "v2"):
        with tempfile.TemporaryDirectory() as folder:
            home = pathlib.Path(folder) / ".picoclaw"
            home.mkdir()
            text = (HERE / f"older_configs/{version}.json").read_text()
            text = text.replace("@API@", f"http://127.0.0.1:{models.port}/{version}/v1")
            (home / "config.json").write_text(text)
            for migrated in (False, True):
                if migrated:
                    said = gateway.command("migrate")
                    check("to version 3" in said, said)
                    same(json.loads((home / "config.json").read_text())["version"], 3, "the version")
                    [backup] = home.glob("config.json.*.bak")
                    same(backup.read_text(), text, "the backup")
                gateway = Gateway(home)
                try:
                    asyncio.run(hello(gateway, f"{version} heard: hello"))
                finally:
                    gateway.stop()
                if not migrated:
                    same((home / "config.json").read_text(), text, "the file")


async def hello(gateway, answer):
    async with Client(gateway, "s") as client:
        frames = await client.say("hello", answer)
        same(frames[-1]["payload"]["content"], answer, "the answer")


def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    home, models = folder / ".picoclaw", Models()
    filled_in(HERE / "existing_home", home, MODELS=models.port, HOME=home, TIME=TIME)
    (folder / ".ssh").mkdir()
    (folder / ".ssh/picoclaw_ed25519.key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nof the test\n")
    before = tree(home)
    gateway = Gateway(home)
    settings = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: picoclaw
    static_configs: [{{targets: ['127.0.0.1:{gateway.port}']}}]
"""
    prometheus = Prometheus(folder, gateway.port, free_port(), settings)
    try:
        launcher(gateway)
        due_jobs(gateway, models)
        asyncio.run(conversations(gateway, models))
        truth(gateway, prometheus, models)
        status = named_once(gateway)
        errors = [line for line in gateway.log() if line["level"] == "error"]
        same(errors, [], "errors in the log")
        took = gateway.stop()
        new = untouched(before, tree(home))
        older(models)
    finally:
        gateway.process.kill()
        prometheus.program.stop()
        models.stop()
    shutil.rmtree(folder)
    print(f"{status}\nnew files: {', '.join(new)}\nstopped in {took:.1f} s")
    print(f"takeover: {existing.checks} checks passed")


if __name__ == "__main__":
    main()
