"""What the day has in store: the configuration, the jobs, and when they are due."""

import collections
from datetime import datetime, timezone

NOON = datetime(2026, 10, 24, 10, 0, tzinfo=timezone.utc).timestamp()  # 12:00 in Berlin
HALF_HOUR, SLOTS = 1800, 48
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
