"""Every alert, driven to firing by really causing its fault, and delivered.

    python tests/consumers/alerts.py BINARY

Starts a gateway, a real Prometheus with the shipped rules, a real Alertmanager with the shipped route and a listener in
place of Slack, causes one fault after the other, and prints what fired, when, with which text, and that it resolved. All
the while the expressions of the dashboards are evaluated too: each must have had data at some time. Needs root, because
full disks are mounted.
"""

import contextlib
import itertools
import json
import math
import pathlib
import socket
import sys
import tempfile
import threading
import time

import dashboards
from stack import CONFIG, Gateway, Prometheus, Server, SmallDisk, alertmanager, free_port, wait_for

# Alerts that no fault can bring about from outside; alerts_test.yml shows that their rules work.
NOT_CAUSED = {
    "ChannelDown": "the channels of this gateway are HTTP and the command line, which do not fail alone",
    "EventLoopSlow": "needs a machine so starved that the scrapes of this hurry, every second, time out",
    "LabelOverflow": "needs more providers, models or tools than a configuration has",
    "SinkFallsBehind": "needs more events at once than this test sends",
    "SinkRestarts": "needs a sink that crashes",
    "DiskFillsUp": "needs node_exporter and a full disk of the machine",
}
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
    "telemetry": {"sinks": [
        {"type": "prometheus"}, {"type": "newrelic"},
        {"type": "jsonlog", "buffer": {"max_events": 200}, "retry": {"initial_ms": 100, "max_ms": 500, "give_up_ms": 1000}},
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


class Provider:
    """An OpenAI-compatible server with faults: `dead` fails until it is mended, every second request to `flaky` fails,
    `slow` takes a minute."""

    def __init__(self):
        self.count, self.mended, self.server = 0, False, Server(self.answer)

    def answer(self, path, _body):
        if path.startswith("/slow/"):
            time.sleep(61)
        elif path.startswith("/dead/"):
            if not self.mended:
                return 503, b'{"error":{"message":"down"}}'
        else:
            self.count += 1
            if self.count % 2:
                return 500, b'{"error":{"message":"flaky"}}'
        choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
        return 200, json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode()

    def models(self):
        for name in ["dead", "flaky", "slow"]:
            base = f"http://127.0.0.1:{self.server.port}/{name}/v1"
            yield {"model_name": name, "provider": name, "model": "m", "api_key": "k", "api_base": base,
                   "streaming": {"enabled": False}}


@contextlib.contextmanager
def meanwhile(*causes):
    """Keeps causing, each cause in a thread of its own, until the block ends."""
    over = threading.Event()

    def keep(cause):
        while not over.is_set():
            cause()
            over.wait(0.2)

    threads = [threading.Thread(target=keep, args=[cause]) for cause in causes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


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


def in_parallel(count, action):
    """Starts an action several times at once; the threads."""
    threads = [threading.Thread(target=action, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def good_traffic(gateway, watch):
    gateway.say("hello", session="one")
    gateway.say('!tool list_dir {"path": "."}\nlook')
    wait_for("the first scrapes", lambda: watch.prometheus.values('up{job="picoclaw"}') == [1.0])
    began = time.monotonic()
    # Until NoTraffic has something to compare with.
    while time.monotonic() - began < 12:
        gateway.say("hello", stream=True)
        gateway.say('!tool list_dir {"path": "."}\nlook')
        time.sleep(0.2)


def slowness(gateway, watch):
    """Nothing but slow answers; what needs no answer at all happens while they are on their way."""
    waiting = in_parallel(22, lambda: gateway.say("!slow 31s\nlate"))

    good = (gateway.home / "config.json").read_text()
    (gateway.home / "config.json").write_text('{"gateway": {"port": "many"}}')
    gateway.reload()
    with meanwhile(lambda: gateway.say("hello", model="nobody")):
        watch.expect("ConfigReloadFailed", "MessagesRejected")
    (gateway.home / "config.json").write_text(good)
    gateway.reload()
    watch.expect("NoTraffic")

    bodies = [half_a_body(gateway.port) for _ in range(28)]
    watch.expect("MemoryNearLimit", "HighMemoryUsage")
    for body in bodies:
        body.close()
    held = []
    with meanwhile(lambda: hold_connections(gateway.port, held)):
        watch.expect("FileDescriptorsShort", "ConnectionsRejected")
    for connection in held:
        connection.close()

    for thread in waiting:
        thread.join()
    watch.expect("SlowResponses", "LatencyBudgetBurnsFast", "LatencyBudgetBurns")


def half_a_body(port):
    """A request whose body of 4 MB lacks its last byte."""
    connection = socket.create_connection(("127.0.0.1", port))
    size = 4_000_000
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    connection.sendall(head.encode() + b" " * (size - 1))
    return connection


def hold_connections(port, held):
    """Takes all places, and tries some more."""
    for connection in held[220:]:
        connection.close()
    del held[220:]
    for _ in range(max(20, 220 - len(held))):
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=1)
            connection.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n")
            held.append(connection)


def failures(gateway, watch):
    say = gateway.say
    causes = [
        # Half of the requests to two providers fail at once: both must be named.
        lambda: [say("!fail server"), say("hello")],
        lambda: say("hello", model="flaky"),
        lambda: say("hello", model="dead"),
        lambda: say("!fail auth"),
        lambda: say("!fail rate_limit"),
        lambda: say('!tool read_file {"path": "missing"}\nread'),
        lambda: say("!tool invented {}\ncall"),
    ]
    with meanwhile(*causes):
        watch.expect(
            "HighErrorRate", "ProviderErrorRatio", "ProviderDown", "ProviderRefusesAccount", "ProviderRateLimited",
            "ToolFailures", "UnknownToolCalls", "AvailabilityBudgetBurnsFast", "AvailabilityBudgetBurns",
        )
        both = lambda: any("Provider echo" in text and "Provider flaky" in text for text in watch.slack.texts("FIRING", "HighErrorRate"))
        wait_for("both providers in one message", both)


def queue(gateway, watch):
    threads = in_parallel(70, lambda: gateway.say("!slow 8s\nlate"))
    watch.expect("QueueBacklog")
    return threads


def full_disks(gateway, watch, disks):
    for disk in disks:
        disk.fill()
    number = itertools.count()
    with meanwhile(lambda: gateway.say("hello", session=f"full-{next(number)}"), lambda: [disk.fill() for disk in disks]):
        watch.expect("SessionStoreFailing", "SinkDown", "SinkLosesEvents", "HealthFailing", "LogErrors", "HealthDegraded")
    for disk in disks:
        disk.free()
    gateway.say("hello", session="again")
    watch.expect_over("SinkDown", "HealthFailing")


def stops(gateway, watch):
    for _ in range(3):
        gateway.stop()
        gateway.start()
        before = watch.prometheus.values("process_start_time_seconds")
        wait_for("a scrape of the new process", lambda: watch.prometheus.values("process_start_time_seconds") != before)
    watch.expect("RestartLoop")
    gateway.stop()
    watch.expect("PicoClawDown")
    gateway.start()
    watch.expect_over("PicoClawDown", "RestartLoop")


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    home = pathlib.Path(tempfile.mkdtemp(prefix="picoclaw-alerts-"))
    started = time.monotonic()
    with contextlib.ExitStack() as cleanup:
        for name in ["gateway", "prometheus", "alertmanager"]:
            (home / name).mkdir()
        log, work = SmallDisk(home / "gateway/logs"), SmallDisk(home / "gateway/workspace")
        provider, slack = Provider(), Slack(started)
        for part in [log, work, provider.server, slack.server]:
            cleanup.callback(part.stop)
        models = [*CONFIGURATION["model_list"], *provider.models()]
        gateway = Gateway(binary, home / "gateway", {**CONFIGURATION, "model_list": models})
        cleanup.callback(lambda: gateway.stop())
        manager = free_port()
        cleanup.callback(alertmanager(home / "alertmanager", manager, f"http://127.0.0.1:{slack.server.port}/").stop)
        prometheus = Prometheus(home / "prometheus", gateway.port, manager)
        cleanup.callback(prometheus.program.stop)
        watch = Watch(prometheus, slack)
        cleanup.callback(watch.stop)

        in_parallel(2, lambda: gateway.say("hello", model="slow"))
        good_traffic(gateway, watch)
        slowness(gateway, watch)
        watch.expect("ProviderSlow", seconds=60)
        failures(gateway, watch)
        provider.mended = True
        gateway.say("hello", model="dead")
        queue(gateway, watch)
        full_disks(gateway, watch, [log, work])
        caused = {rule["name"] for rule in prometheus.rules() if rule["type"] == "alerting"} - set(NOT_CAUSED)
        # Before the gateway goes away: an alert that ends while PicoClawDown holds it back ends without a message.
        with meanwhile(lambda: gateway.say("hello")):
            watch.expect_over(*sorted(caused - {"PicoClawDown", "RestartLoop", "PicoClawAbsent"}))
        stops(gateway, watch)
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
    for name, reason in NOT_CAUSED.items():
        print(f"not caused: {name}: {reason}")
    print(f"alerts: {len(caused & watch.fired)} fired and resolved, {watch.expressions - len(watch.unseen)} of "
          f"{watch.expressions} expressions had data, {len(problems)} problems, {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
