"""Every alert, driven to firing by really causing its fault, and delivered.

    python tests/consumers/alerts.py BINARY

Beside the binary lies the library of plugins/drill, a plugin that crashes.

Starts a gateway, a real Prometheus with the shipped rules, a real Alertmanager with the shipped route and a listener in
place of Slack, causes one fault after the other, and prints what fired, when, with which text, and that it resolved.
All the while the expressions of the dashboards are evaluated too: each must have had data at some time. Needs root,
because disks are mounted that are full or hang.
"""

import contextlib
import json
import math
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import dashboards
import faults
import parts
from stack import (
    CONFIG, Gateway, Prometheus, Server, SmallDisk, alertmanager, free_port, node_exporter, wait_for,
)

# Alerts that the route holds back because another one that fires says more.
HELD_BACK = {"AvailabilityBudgetBurns", "LatencyBudgetBurns", "HealthDegraded", "HighMemoryUsage"}
# Expressions of the dashboards that need a Loki.
NEEDS_LOKI = "loki"

CONFIGURATION = {
    "model_list": [
        {"model_name": "echo", "model": "echo/echo"},
    ],
    "agents": {"defaults": {"model_name": "echo", "max_llm_retries": 0, "max_parallel_turns": 24}},
    "gateway": {"max_connections": 200, "health_check": {"failing_after_seconds": 2}},
    "logging": {"max_size": 1},
    # A ring so small that two dozen messages at once overrun it.
    "telemetry": {"ring": 64, "sinks": [
        {"type": "prometheus"}, {"type": "newrelic"},
        {"type": "jsonlog", "buffer": {"max_events": 200},
         "retry": {"initial_ms": 100, "max_ms": 500, "give_up_ms": 1000}},
    ]},
}


class Slack:
    """Takes messages as Slack does and remembers them."""

    def __init__(self, started):
        self.started, self.messages, self.server = started, [], Server(self.take)

    def take(self, _path, body):
        attachment = json.loads(body)["attachments"][0]
        message = (attachment["title"], attachment.get("text", ""))
        self.messages.append(message)
        print(f"{time.monotonic() - self.started:6.1f} s  {message[0]}", flush=True)
        for line in message[1].strip().splitlines():
            print(f"            {line}", flush=True)
        return 200, b"ok"

    def texts(self, state, name):
        """Texts of the messages that say that an alert fires (`FIRING`) or is over (`RESOLVED`)."""
        return [text for title, text in self.messages if title.startswith(f"[{state}") and f"] {name} (" in title]


class Watch:
    """Sees what fires and which expressions have data."""

    def __init__(self, prometheus, slack):
        self.prometheus, self.slack = prometheus, slack
        self.fired, self.over = set(), threading.Event()
        self.unseen = {}
        for path in sorted((CONFIG / "grafana").glob("*.json")):
            for title, expression, kind in dashboards.queries(path):
                if kind != NEEDS_LOKI:
                    self.unseen[expression] = f"{path.name}: {title}"
        for rule in prometheus.rules():
            if rule["type"] == "recording":
                self.unseen[rule["name"]] = "recording rule"
        self.expressions = len(self.unseen)
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(0.3):
            self.fired |= self.prometheus.firing()
            for expression in list(self.unseen):
                concrete = expression.replace("$__rate_interval", "8s").replace("$__range", "1m")
                concrete = concrete.replace("$job", "picoclaw").replace("$instance", ".*")
                if any(map(math.isfinite, self.prometheus.values(concrete))):
                    del self.unseen[expression]

    def expect(self, *names, seconds=30):
        """Waits until all fire, and those that are not held back were delivered."""
        for name in names:
            wait_for(f"{name} to fire (fired so far: {sorted(self.fired)})", lambda: name in self.fired, seconds)
            if name not in HELD_BACK:
                wait_for(f"the message about {name}", lambda: self.slack.texts("FIRING", name), seconds)

    def expect_over(self, *names, seconds=45):
        for name in names:
            wait_for(f"{name} to end", lambda: name not in self.prometheus.firing(), seconds)
            if name not in HELD_BACK:
                wait_for(f"the message that {name} is over", lambda: self.slack.texts("RESOLVED", name), seconds)

    def stop(self):
        self.over.set()
        self.thread.join()


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    home = pathlib.Path(tempfile.mkdtemp(prefix="picoclaw-alerts-"))
    print(f"logs of all programs: {home}, kept if something fails")
    result = run(binary, home)
    if result == 0:
        shutil.rmtree(home)
    return result


def run(binary, home):
    """Everything; 0 if all alerts fired, were delivered and ended."""
    started = time.monotonic()
    with contextlib.ExitStack() as cleanup:
        for name in ["gateway", "prometheus", "alertmanager"]:
            (home / name).mkdir()
        log, work = SmallDisk(home / "gateway/logs"), SmallDisk(home / "gateway/workspace")
        provider, slack = faults.Provider(), Slack(started)
        others = parts.Parts(home)
        for part in [log, work, provider.server, slack.server, others.chats]:
            cleanup.callback(part.stop)
        models = [*CONFIGURATION["model_list"], *provider.models()]
        parts.heartbeat(home / "gateway")
        configuration = {**CONFIGURATION, **others.configuration(), "model_list": models}
        gateway = Gateway(binary, home / "gateway", configuration)
        cleanup.callback(lambda: gateway.stop())
        manager = free_port()
        cleanup.callback(alertmanager(home / "alertmanager", manager, f"http://127.0.0.1:{slack.server.port}/").stop)
        node, scrape_node = node_exporter(home, home)
        cleanup.callback(node.stop)
        prometheus = Prometheus(home / "prometheus", gateway.port, manager, also=scrape_node)
        cleanup.callback(prometheus.program.stop)
        watch = Watch(prometheus, slack)
        cleanup.callback(watch.stop)

        faults.in_parallel(2, lambda: gateway.say("hello", model="slow"))
        faults.good_traffic(gateway, watch)
        faults.slowness(gateway, watch)
        # While the slow provider has not answered yet.
        parts.faults(gateway, watch, others)
        watch.expect("ProviderSlow", seconds=60)
        faults.failures(gateway, watch)
        provider.mended = True
        wait_for("an answer of the mended provider", lambda: gateway.say("hello", model="dead") == 200)
        faults.queue(gateway, watch)
        faults.full_disks(gateway, watch, [log, work])
        faults.stalls(gateway, watch, work)
        faults.reconfiguration(gateway, watch, binary.parent / "libpicoclaw_plugin_drill.so")
        caused = {rule["name"] for rule in prometheus.rules() if rule["type"] == "alerting"}
        # Before the gateway goes away: an alert that ends while PicoClawDown holds it back ends without a message.
        with faults.meanwhile(lambda: gateway.say("hello")):
            watch.expect_over(*sorted(caused - {"PicoClawDown", "RestartLoop", "PicoClawAbsent"}))
        faults.stops(gateway, watch)
        # It may have fired before the very first scrape already.
        watch.fired.discard("PicoClawAbsent")
        prometheus.configure(prometheus.without_target())
        watch.expect("PicoClawAbsent")
        prometheus.configure(prometheus.settings)
        watch.expect_over("PicoClawAbsent")
        return report(watch, caused, started)


def report(watch, caused, started):
    problems = [f"{name} did not fire" for name in sorted(caused - watch.fired)]
    problems += [f"{title}: never had data: {expression}" for expression, title in watch.unseen.items()]
    problems += [f"{rule['name']}: {rule['lastError']}" for rule in watch.prometheus.rules() if rule["health"] == "err"]
    for problem in problems:
        print(f"FAIL  {problem}")
    print(f"alerts: {len(caused & watch.fired)} fired and resolved, {watch.expressions - len(watch.unseen)} of "
          f"{watch.expressions} expressions had data, {len(problems)} problems, {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
