"""Real programs against the real binary.

Starts a gateway on the default port with no configuration, as a newcomer would, and lets the official openai client,
a real Prometheus, the commands of the monitoring guide, an OpenMetrics parser and Datadog's OpenMetrics check use it.
Every failure is an exception; the last line counts.
"""

import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from stack import wait_for

BINARY = pathlib.Path(sys.argv[1]).resolve()
HERE = pathlib.Path(__file__).parent
BASE = "http://localhost:18790"


def get(url):
    """The body of a page, or None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None


class Program:
    """A program that runs during a test."""

    def __init__(self, command, home, **environment):
        self.log = open(home / "program.log", "wb")
        self.process = subprocess.Popen(
            command, cwd=home, stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()


def openai_client():
    import openai

    client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="not-needed", max_retries=0)
    ask = lambda text, **more: client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": text}], **more
    )
    assert ask("hello").choices[0].message.content == "hello"
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in ask("one two three", stream=True)
        if chunk.choices
    ]
    assert "".join(pieces) == "one two three" and len(pieces) >= 3, pieces
    last = list(ask("one two", stream=True, stream_options={"include_usage": True}))[-1]
    assert last.usage.completion_tokens == 2
    assert "echo" in [model.id for model in client.models.list()]
    ask("remember me", extra_body={"session_id": "openai"})
    for text, error in [
        ("!fail auth", openai.InternalServerError),
        ("!fail bad_request", openai.BadRequestError),
    ]:
        try:
            ask(text)
        except error:
            continue
        raise AssertionError(f"{text} raised nothing")
    try:
        client.chat.completions.create(model="nobody", messages=[{"role": "user", "content": "x"}])
    except openai.NotFoundError:
        return
    raise AssertionError("an unknown model was accepted")


def guide_commands():
    for command in [
        "curl -f http://localhost:18790/health || exit 1",
        """curl -s http://localhost:18790/health | jq -r '.status' | grep -q "healthy" || exit 1""",
        "curl -s http://localhost:18790/metrics | promtool check metrics 2>&1 | grep -v '^picoclaw_session_count ' "
        "| grep . && exit 1 || exit 0",
        "[ $(pgrep picoclaw | wc -l) = 1 ] && lsof -p $(pgrep picoclaw) | wc -l",
    ]:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def open_metrics():
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    request = urllib.request.Request(f"{BASE}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    with urllib.request.urlopen(request, timeout=10) as response:
        assert "openmetrics-text" in response.headers["Content-Type"]
        families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
    assert families["picoclaw_messages"].type == "counter"
    assert families["picoclaw_response_time_seconds"].type == "histogram"


GUIDE_SCRAPE = """
scrape_configs:
  - job_name: 'picoclaw'
    static_configs:
      - targets: ['localhost:18790']
    scrape_interval: 15s
    metrics_path: /metrics
"""

GUIDE_EXPRESSIONS = [
    "rate(picoclaw_messages_total[1m])",
    "histogram_quantile(0.95, rate(picoclaw_response_time_seconds_bucket[5m]))",
    "rate(picoclaw_provider_errors_total[5m])",
    "picoclaw_session_count",
    "process_resident_memory_bytes{job=\"picoclaw\"}",
    "up{job=\"picoclaw\"}",
]


def prometheus():
    home = pathlib.Path(tempfile.mkdtemp())
    # The guide's file, with a shorter interval so that the test need not wait for minutes.
    (home / "prometheus.yml").write_text(GUIDE_SCRAPE.replace("15s", "1s"))
    subprocess.run(["promtool", "check", "config", "prometheus.yml"], cwd=home, check=True, capture_output=True)
    command = ["prometheus", "--config.file=prometheus.yml", "--web.listen-address=127.0.0.1:19090"]
    with Program([*command, f"--storage.tsdb.path={home}/data"], home):
        query = lambda text: json.loads(
            get("http://127.0.0.1:19090/api/v1/query?" + urllib.parse.urlencode({"query": text})) or "null"
        )

        def values(text):
            answer = query(text)
            return answer and [float(sample["value"][1]) for sample in answer["data"]["result"]]

        wait_for("a scrape", lambda: values('up{job="picoclaw"}') == [1.0])
        before = values("picoclaw_messages_total")[0]
        for _ in range(5):
            chat("hello", "prometheus")
        wait_for("the messages", lambda: values("picoclaw_messages_total") == [before + 5])
        for expression in GUIDE_EXPRESSIONS:
            found = wait_for(expression, lambda: values(expression), 60)
            assert all(math.isfinite(value) for value in found), f"{expression}: {found}"
        assert values("rate(picoclaw_messages_total[1m])")[0] > 0
        stale = query("scrape_samples_scraped")["data"]["result"]
        assert float(stale[0]["value"][1]) <= 800
    shutil.rmtree(home)


def datadog_check():
    from datadog_checks.base import OpenMetricsBaseCheckV2
    from datadog_checks.base.stubs import aggregator

    class Check(OpenMetricsBaseCheckV2):
        __NAMESPACE__ = "picoclaw"

    instance = {
        "openmetrics_endpoint": f"{BASE}/metrics",
        "metrics": ["picoclaw_.+", "process_.+"],
    }
    check = Check("picoclaw", {}, [instance])
    for _ in range(3):
        check.run()
    assert not json.loads(check.run() or "[]"), "the check reported an error"
    names = set(aggregator.metric_names)
    assert any("provider_errors" in name for name in names), sorted(names)[:20]


def chat(text, session):
    body = json.dumps({"session_id": session, "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"{BASE}/v1/chat/completions", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def main():
    home = pathlib.Path(tempfile.mkdtemp())
    tests = [guide_commands, openai_client, open_metrics, prometheus, datadog_check]
    failed = 0
    with Program([str(BINARY), "gateway"], home, PICOCLAW_HOME=str(home / "home")):
        wait_for("the gateway", lambda: get(f"{BASE}/health"))
        for test in tests:
            try:
                test()
                print(f"ok    {test.__name__}")
            except Exception as error:  # Each consumer is judged on its own.
                failed += 1
                print(f"FAIL  {test.__name__}: {type(error).__name__}: {error}")
    print(f"consumers: {len(tests) - failed} passed, {failed} failed")
    shutil.rmtree(home)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
