"""Datadog's OpenMetrics check with the shipped file, against a gateway that was used.

    python tests/consumers/datadog_openmetrics.py BINARY
"""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

import yaml

# The library's stubs refuse tags named `env`, which a file for operators has.
os.environ["DDEV_SKIP_GENERIC_TAGS_CHECK"] = "true"

from datadog_checks.base import OpenMetricsBaseCheckV2
from datadog_checks.base.stubs import aggregator

from stack import CONFIG, Gateway


class OpenMetrics(OpenMetricsBaseCheckV2):
    """As the Agent's `openmetrics` check: nothing of its own."""

    __NAMESPACE__ = ""


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    home = pathlib.Path(tempfile.mkdtemp(prefix="picoclaw-datadog-"))
    text = (CONFIG / "datadog/conf.d/openmetrics.d/conf.yaml").read_text()
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, home, ignore_errors=True)
        gateway = Gateway(binary, home, {"agents": {"defaults": {"max_llm_retries": 0}}, "gateway": {}})
        cleanup.callback(gateway.stop)
        instance = yaml.safe_load(text.replace("127.0.0.1:18790", f"127.0.0.1:{gateway.port}"))["instances"][0]
        check = OpenMetrics("openmetrics", {}, [instance])
        for _ in range(3):
            gateway.say("hello")
            gateway.say("!fail server")
            failure = check.run()
            assert not failure, failure
    wanted = {
        "picoclaw.messages.count": aggregator.MONOTONIC_COUNT,
        "picoclaw.provider_errors.count": aggregator.MONOTONIC_COUNT,
        "picoclaw.session_count": aggregator.GAUGE,
        "picoclaw.sink_up": aggregator.GAUGE,
        "picoclaw.process_resident_memory_bytes": aggregator.GAUGE,
        "picoclaw.process_cpu_seconds.count": aggregator.MONOTONIC_COUNT,
    }
    for name, kind in wanted.items():
        aggregator.assert_metric(name, metric_type=kind)
    aggregator.assert_metric_has_tag("picoclaw.provider_errors.count", "provider:echo")
    aggregator.assert_metric_has_tag("picoclaw.messages.count", "service:picoclaw")
    assert aggregator.histogram_bucket("picoclaw.response_time_seconds"), "the response time is no distribution"
    print(f"datadog: passed, {len(aggregator.metric_names)} metrics")


if __name__ == "__main__":
    main()
