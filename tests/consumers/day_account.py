"""What came of the day: what was done, held against the metrics, the log, the sessions and the memory."""

import collections
import gzip
import json
import re

from day_plan import AT_NIGHT, SLOTS

# How much memory may have grown since it was warm, in MiB.
GROWTH = 3.0
# What is wrong, by a clock that runs a thousand times too fast, when the machine has other things to do for a moment.
SLOW = "event_loop_slow"


def log_lines(home):
    """All lines of all logs, in the order in which they were written."""
    lines = []
    for path in (home / "logs").iterdir():
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines += [json.loads(line) for line in text.splitlines()]
    return sorted(lines, key=lambda line: line.get("seq", 0))


def sessions_of(home):
    """The messages of each session, by its key."""
    files = (home / "workspace/sessions").glob("*.jsonl")
    return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in files}


def expected(day):
    """What the metrics must say."""
    did, models = day.did, day.models
    status = lambda s: sum(n for (_, ended), n in day.jobs.items() if ended == s)
    agents = sum(n for (name, _), n in day.jobs.items() if name not in ("ticks", "broken"))
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
        # The commands of jobs among them.
        'picoclaw_tool_results_total{tool="exec",status="success"}': did["tool exec"] + day.jobs["ticks", "ok"],
        'picoclaw_tool_results_total{tool="exec",status="error"}': day.jobs["broken", "error"],
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
    for series, value in expected(day).items():
        yield f"{series} is {value}", metrics.get(series) == value, metrics.get(series)
    lines = log_lines(day.home)
    numbers = [line["seq"] for line in lines if "seq" in line]
    yield f"the log has {len(numbers)} lines without a hole", numbers == list(range(1, len(numbers) + 1)), ""
    kinds = collections.Counter(line.get("kind") for line in lines)
    total = lambda name: sum(value for series, value in metrics.items() if series.split("{")[0] == name)
    for name, kind in KINDS.items():
        yield f"the log has {kinds[kind]} lines {kind}", kinds[kind] == total(name), f"{name} {total(name)}"
    errors = [line["message"] for line in lines if line.get("level") == "error" and SLOW not in line.get("issues", "")]
    terminal = [line for line in (day.folder / "output").read_text().splitlines() if " ERROR " in line and SLOW not in line]
    errors += [re.sub(r"^\S+ ERROR \w+ ([^=]*) \w+=.*", r"\1", line) for line in terminal]
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

    sessions, said = sessions_of(day.home), collections.Counter()
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
