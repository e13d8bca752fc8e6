"""The faults that alerts.py causes, each of which waits until its alerts fire."""

import contextlib
import itertools
import json
import shutil
import signal
import socket
import threading
import time

from stack import Server, wait_for


class Provider:
    """An OpenAI-compatible server with faults: `dead` fails until it is mended, every second request to `flaky` fails,
    `slow` takes a minute, `tired` wants to be left alone, and an answer of `dear` costs ten dollars. Dead and flaky ask
    for so short a rest that they fail often."""

    def __init__(self):
        self.count, self.mended, self.server = 0, False, Server(self.answer)

    def answer(self, path, _body):
        usage = None
        if path.startswith("/slow/"):
            time.sleep(61)
        elif path.startswith("/dead/"):
            if not self.mended:
                return 503, b'{"error":{"message":"down"}}', {"Retry-After": 0.1}
        elif path.startswith("/dear/"):
            usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
        elif path.startswith("/tired/"):
            return 429, b'{"error":{"message":"come back later"}}', {"Retry-After": 20}
        else:
            self.count += 1
            if self.count % 2:
                return 500, b'{"error":{"message":"flaky"}}', {"Retry-After": 0.1}
        choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}
        return 200, json.dumps(answer).encode()

    def models(self):
        for name in ["dead", "flaky", "slow", "tired", "dear"]:
            base = f"http://127.0.0.1:{self.server.port}/{name}/v1"
            yield {"model_name": name, "provider": name, "model": "m", "api_key": "k", "api_base": base,
                   "streaming": {"enabled": False}, **({"price": {"input_per_million": 10}} if name == "dear" else {})}


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
    waiting = in_parallel(20, lambda: gateway.say("!slow 31s\nlate"))

    with blocked_metadata(gateway), gateway.reconfigured({"gateway": {"port": "many"}}):
        gateway.say("hello", session="one")
        with meanwhile(lambda: gateway.say("hello", model="nobody")):
            watch.expect("ConfigReloadFailed", "MessagesRejected", "SessionUpkeepFailing")
    watch.expect("NoTraffic")

    # As many as the gateway has room for; it would let more of them wait.
    bodies = [half_a_body(gateway.port) for _ in range(6)]
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


@contextlib.contextmanager
def blocked_metadata(gateway):
    """A directory is where the metadata of the only conversation belong, until the block ends."""
    find = lambda: list(gateway.home.glob("workspace/sessions/sk_*.meta.json"))
    [path] = wait_for("the metadata of the conversation", find)
    path.unlink()
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()


def half_a_body(port):
    """A request whose body of 4 MB lacks its last byte."""
    connection = socket.create_connection(("127.0.0.1", port))
    size = 4_000_000
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
            f"Content-Length: {size}", "", ""]
    connection.sendall("\r\n".join(head).encode() + b" " * (size - 1))
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
    say("hello", model="tired")
    with meanwhile(*causes):
        watch.expect(
            "HighErrorRate", "ProviderErrorRatio", "ProviderDown", "ProviderRefusesAccount", "ProviderRateLimited",
            "ToolFailures", "UnknownToolCalls", "AvailabilityBudgetBurnsFast", "AvailabilityBudgetBurns",
            "ProviderCoolsDown",
        )
        texts = lambda: watch.slack.texts("FIRING", "HighErrorRate")
        both = lambda: any("Provider echo" in text and "Provider flaky" in text for text in texts())
        wait_for("both providers in one message", both)


def queue(gateway, watch):
    threads = in_parallel(70, lambda: gateway.say("!slow 8s\nlate"))
    watch.expect("QueueBacklog")
    return threads


def full_disks(gateway, watch, disks):
    for disk in disks:
        disk.fill()
    number = itertools.count()
    message = lambda: gateway.say("hello", session=f"full-{next(number)}")
    with meanwhile(message, lambda: [disk.fill() for disk in disks]):
        watch.expect("SessionStoreFailing", "SinkDown", "SinkLosesEvents", "HealthFailing", "LogErrors")
        watch.expect("HealthDegraded", "DiskFillsUp")
    for disk in disks:
        disk.free()
    gateway.say("hello", session="again")
    # SessionDiskHangs would hold back the message that it is over.
    watch.expect_over("SinkDown", "HealthFailing", "SessionStoreFailing")


def stalls(gateway, watch, disk):
    """The disk hangs, and the process is stopped for most of each second, yet never so long that a scrape fails."""

    def stop_for_a_moment():
        gateway.program.process.send_signal(signal.SIGSTOP)
        time.sleep(0.8)
        gateway.program.process.send_signal(signal.SIGCONT)
        # With the pause between causes less than the second after which the event loop looks at the clock.
        time.sleep(0.7)

    with disk.frozen():
        threads = in_parallel(1, lambda: gateway.say("hello", session="frozen"))
        # What has come while it was stopped is done at once: more events than the ring has places.
        with meanwhile(stop_for_a_moment, *[lambda: gateway.say("hello")] * 24):
            watch.expect("SessionDiskHangs", "EventLoopSlow", "SinkFallsBehind")
    for thread in threads:
        thread.join()


def reconfiguration(gateway, watch, drill):
    """More models than there are labels, and a plugin that crashes."""
    library = gateway.home / "drill.so"
    shutil.copyfile(drill, library)
    library.chmod(0o755)
    options = {"path": str(library), "config": {"drill": "segfault", "on": "agent.turn.end"}}
    config = json.loads(json.dumps(gateway.config))
    config["telemetry"]["sinks"].append({"type": "plugin", "name": "crasher", "options": options})
    config["model_list"] += [{"model_name": f"echo-{number}", "model": "echo/echo"} for number in range(100)]
    with gateway.reconfigured(config):
        restarts = lambda: watch.prometheus.values('picoclaw_sink_restarts_total{sink="crasher"}')
        wait_for("the plugin", lambda: restarts() == [0.0])
        with meanwhile(lambda: gateway.say("hello")):
            watch.expect("LabelOverflow", "SinkRestarts")


def stops(gateway, watch):
    started = lambda: watch.prometheus.values("process_start_time_seconds")
    for _ in range(3):
        before = started()
        gateway.stop()
        gateway.start()
        wait_for("a scrape of the new process", lambda: started() not in ([], before))
    watch.expect("RestartLoop")
    gateway.stop()
    watch.expect("PicoClawDown")
    gateway.start()
    watch.expect_over("PicoClawDown", "RestartLoop")
