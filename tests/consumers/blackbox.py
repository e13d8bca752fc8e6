"""A real blackbox exporter and a real Prometheus with the shipped modules and jobs: up, degraded, down, up again.

    python tests/consumers/blackbox.py BINARY
"""

import contextlib
import pathlib
import re
import shutil
import sys
import tempfile

from stack import CONFIG, Gateway, Program, Prometheus, free_port, get, wait_for

CONFIGURATION = {"agents": {"defaults": {"max_llm_retries": 0}}, "gateway": {}}


def probe(exporter, module, url):
    """Whether a probe succeeds."""
    text = get(f"http://127.0.0.1:{exporter}/probe?module={module}&target={url}") or ""
    found = re.search(r"^probe_success (\d)$", text, re.M)
    return found and int(found[1])


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    home = pathlib.Path(tempfile.mkdtemp(prefix="picoclaw-blackbox-"))
    for name in ["gateway", "prometheus"]:
        (home / name).mkdir()
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, home, ignore_errors=True)
        gateway = Gateway(binary, home / "gateway", CONFIGURATION)
        cleanup.callback(lambda: gateway.stop())
        exporter = free_port()
        command = ["prometheus-blackbox-exporter", f"--config.file={CONFIG}/blackbox/blackbox.yml",
                   f"--web.listen-address=127.0.0.1:{exporter}"]
        cleanup.callback(Program("blackbox", command, home).stop)
        base = f"127.0.0.1:{gateway.port}"
        health = f"http://{base}/health"
        see = lambda what, module, url, value: wait_for(what, lambda: probe(exporter, module, url) == value)

        see("health to be up", "picoclaw_health", health, 1)
        see("strict health to be up", "picoclaw_health_strict", health, 1)
        see("ready", "picoclaw_ok", f"http://{base}/ready", 1)
        see("live", "picoclaw_ok", f"http://{base}/live", 1)
        see("the port", "picoclaw_tcp", base, 1)
        print("ok    up")

        for _ in range(3):
            gateway.say("!fail server")
        see("strict health to be down", "picoclaw_health_strict", health, 0)
        assert probe(exporter, "picoclaw_health", health) == 1, "degraded must pass"
        gateway.say("hello")
        see("strict health to be up again", "picoclaw_health_strict", health, 1)
        print("ok    degraded fails the strict probe only")

        jobs = (CONFIG / "blackbox/prometheus.yml").read_text().replace("30s", "1s")
        jobs = jobs.replace("127.0.0.1:18790", base).replace("127.0.0.1:9115", f"127.0.0.1:{exporter}")
        prometheus = Prometheus(home / "prometheus", gateway.port, free_port(), settings=jobs)
        cleanup.callback(prometheus.program.stop)
        wait_for("three probes", lambda: prometheus.values("probe_success") == [1.0, 1.0, 1.0])
        gateway.stop()
        see("health to be down", "picoclaw_health", health, 0)
        see("the port to be closed", "picoclaw_tcp", base, 0)
        wait_for("three failed probes", lambda: prometheus.values("probe_success") == [0.0, 0.0, 0.0])
        gateway.start()
        wait_for("three probes again", lambda: prometheus.values("probe_success") == [1.0, 1.0, 1.0])
        print("ok    down and up again, through Prometheus")
    print("blackbox: passed")


if __name__ == "__main__":
    main()
