"""A gateway with everything that watches it, on loopback, with the shipped files made quick.

The rules and the route are those of config/, with durations shortened and addresses replaced as text; expressions
stay what they are, and so do thresholds except those of memory, which is bounded below them: these are as far above the
memory of the gateway at rest as it can be driven, whatever it needs there.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "config"

# How long a rule waits and how far it looks back, in this hurry.
WAITS = {"30s": "2s", "1m": "2s", "2m": "3s", "5m": "5s", "10m": "5s", "15m": "5s"}
WINDOWS = {
    "5m": "8s", "10m": "10s", "15m": "12s",
    "30m": "10s", "1h": "12s", "2h": "12s", "6h": "15s", "1d": "20s", "3d": "20s",
}
LAST_WEEK = "30s"


def wait_for(what, condition, seconds=30):
    """Waits until the condition gives something true, and gives it back."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


def free_port():
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, errors=False):
    """The body of a page, or None while nobody answers or, unless errors are asked for, an error is the answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode() if errors else None
    except (OSError, http.client.HTTPException):
        return None


def quick(text, rest):
    """Rules that wait for seconds instead of minutes, for a gateway that needs so many bytes at rest."""
    text = re.sub(r"for: (\w+)", lambda match: f"for: {WAITS[match[1]]}", text)
    text = re.sub(r"\[(\w+)\]", lambda match: f"[{WINDOWS[match[1]]}]", text)
    # The gateway does not let itself be driven to these.
    for limit, above in ("52428800", 13 << 20), ("94371840", 17 << 20):
        text = text.replace(limit, str(rest + above))
    return text.replace("offset 1w", f"offset {LAST_WEEK}")


def resident(port):
    """Bytes of memory that the gateway at this port needs now."""
    [line] = [line for line in get(f"http://127.0.0.1:{port}/metrics").splitlines()
              if line.startswith("process_resident_memory_bytes ")]
    return int(float(line.split()[1]))


class Program:
    """A program that runs until the end of the test."""

    def __init__(self, name, command, home, files=None, **environment):
        self.log = open(home / f"{name}.out", "ab")
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        self.process = subprocess.Popen(
            [str(part) for part in command], cwd=home, stdout=self.log, stderr=subprocess.STDOUT,
            env={**os.environ, **environment}, preexec_fn=limit,
        )

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(30)
        self.log.close()


class Server:
    """A small HTTP server of ours: `answer` gets path and body and gives status, body and, if it likes, headers."""

    def __init__(self, answer, port=0):
        # Who showed which key where.
        self.shown = shown = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                shown.add((self.path, self.headers.get("Authorization")))
                status, text, *more = answer(self.path, body)
                with contextlib.suppress(OSError):  # Who asked may have gone away.
                    self.send_response(status)
                    headers = {"Content-Type": "application/json", "Content-Length": len(text)}
                    for name, value in (headers | dict(*more)).items():
                        self.send_header(name, str(value))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class SmallDisk:
    """A file system of its own with little room, so that it can be full, and that can be frozen, so that it hangs."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        image = path.with_suffix(".img")
        with open(image, "wb") as file:
            file.truncate(12 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(path)], check=True)

    def fill(self):
        with contextlib.suppress(OSError), open(self.path / "filler", "ab", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)

    def free(self):
        (self.path / "filler").unlink(missing_ok=True)

    @contextlib.contextmanager
    def frozen(self):
        """Whoever writes waits until the block ends."""
        subprocess.run(["fsfreeze", "--freeze", str(self.path)], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", str(self.path)], check=True)

    def stop(self):
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)


class Gateway:
    """The gateway, which can be stopped and started again at the same address."""

    def __init__(self, binary, home, config):
        self.binary, self.home = binary, home
        self.port = free_port()
        self.configure({**config, "gateway": {**config["gateway"], "host": "127.0.0.1", "port": self.port}})
        self.start()

    def configure(self, config):
        self.config = config
        (self.home / "config.json").write_text(json.dumps(config))

    def start(self):
        command = [self.binary, "gateway"]
        self.program = Program("gateway", command, self.home, files=256, PICOCLAW_HOME=str(self.home))
        wait_for("the gateway", lambda: get(f"http://127.0.0.1:{self.port}/ready"))

    def reload(self):
        self.program.process.send_signal(signal.SIGHUP)

    @contextlib.contextmanager
    def reconfigured(self, config):
        """Another configuration until the block ends."""
        before = self.config
        self.configure(config)
        self.reload()
        try:
            yield
        finally:
            self.configure(before)
            self.reload()

    def stop(self):
        self.program.stop()

    def say(self, text, model="echo", session=None, stream=False):
        """Sends a message; the status of the answer, or None when there was none."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
        if session:
            body["session_id"] = session
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class Prometheus:
    """A real Prometheus with the shipped rules, and the shipped settings unless others are given."""

    def __init__(self, home, gateway, alertmanager, settings=None, also=""):
        self.home, self.port = home, free_port()
        text = (CONFIG / "prometheus/prometheus.yml").read_text()
        text = text.replace("127.0.0.1:18790", f"127.0.0.1:{gateway}")
        text = text.replace("127.0.0.1:9093", f"127.0.0.1:{alertmanager}")
        self.settings = (settings or text.replace("15s", "1s")) + also
        (home / "prometheus.yml").write_text(self.settings)
        for name in ["alerts.yml", "recording.yml"]:
            (home / name).write_text(quick((CONFIG / "prometheus" / name).read_text(), resident(gateway)))
        listen = f"--web.listen-address=127.0.0.1:{self.port}"
        command = ["prometheus", "--config.file=prometheus.yml", f"--storage.tsdb.path={home}/data", listen]
        self.program = Program("prometheus", command, home)
        wait_for("Prometheus", lambda: get(f"http://127.0.0.1:{self.port}/-/ready"))

    def configure(self, settings):
        """Takes other settings over."""
        (self.home / "prometheus.yml").write_text(settings)
        self.program.process.send_signal(signal.SIGHUP)

    def without_target(self):
        """The settings, as if somebody had removed the gateway from them."""
        text, count = re.subn(r"targets: \['[\d.:]+'\](\n    # picoclaw:auth)", r"targets: []\1", self.settings)
        assert count == 1, "the shipped file has no target any more"
        return text

    def ask(self, path, **parameters):
        text = get(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", errors=True)
        answer = json.loads(text) if text else {"status": "error", "error": "no answer"}
        if answer["status"] != "success":
            raise AssertionError(f"{parameters}: {answer['error']}")
        return answer["data"]

    def values(self, expression):
        """The values of an expression now."""
        return [float(sample["value"][1]) for sample in self.ask("query", query=expression)["result"]]

    def firing(self):
        """Names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def rules(self):
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def node_exporter(home, mounted):
    """A real node_exporter that sees file systems, and how Prometheus asks it for those below a directory."""
    port = free_port()
    command = ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.filesystem",
               f"--web.listen-address=127.0.0.1:{port}"]
    program = Program("node_exporter", command, home)
    wait_for("node_exporter", lambda: get(f"http://127.0.0.1:{port}/metrics"))
    return program, f"""
  - job_name: 'node'
    static_configs:
      - targets: ['127.0.0.1:{port}']
    metric_relabel_configs:
      - source_labels: [mountpoint]
        regex: '{mounted}/.*'
        action: keep
"""


def alertmanager(home, port, slack):
    """A real Alertmanager with the shipped route, whose Slack is the given URL."""
    text = (CONFIG / "alertmanager/alertmanager.yml").read_text()
    text = text.replace("https://hooks.slack.com/services/xxx", slack)
    text = re.sub(r"group_wait: \w+", "group_wait: 1s", text)
    text = re.sub(r"group_interval: \w+", "group_interval: 2s", text)
    (home / "alertmanager.yml").write_text(text)
    (home / "picoclaw.tmpl").write_text((CONFIG / "alertmanager/picoclaw.tmpl").read_text())
    command = ["prometheus-alertmanager", "--config.file=alertmanager.yml", f"--storage.path={home}/alertmanager",
               f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    program = Program("alertmanager", command, home)
    wait_for("Alertmanager", lambda: get(f"http://127.0.0.1:{port}/-/ready"))
    return program
