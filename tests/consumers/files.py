"""The files in config/ and the documents about them, checked without running anything for long.

    python tests/consumers/files.py [BINARY]

Asks the programs for which the files are (promtool, amtool, systemd-analyze, ...), and holds files and documents
against each other: every metric that is asked for exists, every alert has a test and an entry in the runbook. Prints
what is wrong, one line each, and ends with 1 if anything is.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import dashboards

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
DOCS = ROOT / "docs"
BINARY = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else pathlib.Path("/bin/true")
RUNBOOK = "https://github.com/sipeed/picoclaw/blob/main/docs/runbook.md#"
PAGES = ["monitoring.md", "runbook.md", "troubleshooting.md", "docker.md"]


def files(*suffixes):
    """All files of config/ with one of the endings."""
    return sorted(path for path in CONFIG.rglob("*") if path.is_file() and path.name.endswith(suffixes))


def say(program, *arguments, cwd=CONFIG, wrong=lambda code, text: code != 0):
    """Runs a checker; yields what it says if it finds fault."""
    if not shutil.which(program):
        yield f"{program} is not installed"
        return
    done = subprocess.run([program, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300)
    text = (done.stdout + done.stderr).strip()
    if wrong(done.returncode, text):
        yield f"{program} {' '.join(map(str, arguments))}: {text}"


def parse():
    """Every JSON and YAML file can be read."""
    for path in files(".json"):
        try:
            json.loads(path.read_text())
        except ValueError as error:
            yield f"{path.relative_to(ROOT)}: {error}"
    for path in files(".yml", ".yaml"):
        try:
            list(yaml.safe_load_all(path.read_text()))
        except yaml.YAMLError as error:
            yield f"{path.relative_to(ROOT)}: {error}"


def prometheus():
    folder = CONFIG / "prometheus"
    yield from say("promtool", "check", "config", "prometheus.yml", cwd=folder)
    yield from say("promtool", "check", "config", "prometheus.yml", cwd=folder / "guide")
    yield from say("promtool", "check", "rules", "alerts.yml", cwd=folder / "guide")
    yield from say("promtool", "check", "config", "prometheus.yml", cwd=CONFIG / "blackbox")
    with tempfile.TemporaryDirectory() as home:
        # In the container the rules lie beside it.
        for path in [CONFIG / "docker" / "prometheus.yml", folder / "alerts.yml", folder / "recording.yml"]:
            shutil.copy(path, home)
        yield from say("promtool", "check", "config", "prometheus.yml", cwd=home)
    yield from say("promtool", "test", "rules", *(path.name for path in sorted(folder.glob("*_test.yml"))), cwd=folder)
    yield from say("promtool", "test", "rules", "alerts_test.yml", cwd=folder / "guide")


def other_programs():
    for path in ["alertmanager/alertmanager.yml", "alertmanager/guide/alertmanager.yml"]:
        yield from say("amtool", "check-config", path)
    program = "prometheus-blackbox-exporter"
    yield from say(program, "--config.check", "--config.file=blackbox/blackbox.yml")
    bad = lambda code, text: code != 0 or "error:" in text
    yield from say("logrotate", "--debug", "logrotate/picoclaw", wrong=bad)
    with tempfile.TemporaryDirectory() as home:
        main = pathlib.Path(home) / "rsyslog.conf"
        main.write_text(f'global(workDirectory="{home}")\ninclude(file="{CONFIG}/rsyslog/picoclaw.conf")\n')
        bad = lambda code, text: code != 0 or "error" in text or "warning" in text
        yield from say("rsyslogd", "-N1", "-f", main, wrong=bad)
        unit = (CONFIG / "systemd/picoclaw.service").read_text()
        target = pathlib.Path(home) / "picoclaw.service"
        target.write_text(unit.replace("/usr/local/bin/picoclaw", str(BINARY)))
        # Nothing to say at all: a warning does not change the exit code.
        yield from say("systemd-analyze", "verify", target, wrong=lambda code, text: code != 0 or text != "")


def rules():
    """All alerting rules that we ship, without the guide's own."""
    for name in ["alerts.yml", "recording.yml"]:
        for group in yaml.safe_load((CONFIG / "prometheus" / name).read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def telling_labels(expression, labels):
    """The labels by which the series of an alert differ, the machine aside."""
    by = re.search(r"\bby \(([^)]*)\)", expression)
    if by:
        return set(by[1].split(", ")) - {"job", "instance", "le"}
    first = re.search(r"\b(?:picoclaw|process)_\w+", expression)
    fixed = set(re.findall(r"(\w+)=\"", expression))
    return labels.get(first[0], set()) - fixed if first else set()


def alerts():
    """Every alert says what, how bad and where to read on, and was seen to fire and to stay quiet."""
    runbook = (DOCS / "runbook.md").read_text()
    entries = re.findall(r"^## (\S+)$", runbook, re.M)
    tests = [
        case
        for path in sorted((CONFIG / "prometheus").glob("*_test.yml"))
        for case in yaml.safe_load(path.read_text())["tests"]
    ]
    fired = {
        re.search(r'alertname="(\w+)"', sample["labels"])[1]
        for case in tests
        for query in case.get("promql_expr_test", [])
        for sample in query["exp_samples"]
    }
    names = [rule["alert"] for rule in rules()]
    table = re.findall(r"^\| `(\w+)` \| \w+ \| ([\w, ]+) \|", (DOCS / "metrics.md").read_text(), re.M)
    labels = {metric: set(names.split(", ")) for metric, names in table}
    for rule in rules():
        name, annotations = rule["alert"], rule.get("annotations", {})
        if rule.get("labels", {}).get("severity") not in ("critical", "warning", "info"):
            yield f"{name}: no severity"
        for key in ["summary", "description"]:
            if not annotations.get(key):
                yield f"{name}: no {key}"
        if annotations.get("runbook_url") != RUNBOOK + name.lower():
            yield f"{name}: runbook_url must be {RUNBOOK}{name.lower()}"
        if name not in entries:
            yield f"{name}: no `## {name}` in docs/runbook.md"
        if name not in fired:
            yield f"{name}: no test in which it fires"
        for label in sorted(telling_labels(rule["expr"], labels)):
            if f"$labels.{label} " not in annotations["description"]:
                yield f"{name}: the description does not name {label}: two of them would read alike"
    for entry in entries:
        if entry not in names:
            yield f"docs/runbook.md: {entry} is no alert"


def known_metrics():
    """Names in docs/metrics.md: those of Prometheus with their type, and those of DogStatsD."""
    table = re.findall(r"^\| `(\w+)` \| (\w+) \|.*\| `([\w.]+)` \w \|$", (DOCS / "metrics.md").read_text(), re.M)
    assert len(table) > 40, "docs/metrics.md has no table"
    return {name: kind for name, kind, _ in table}, {dog for *_, dog in table}


def metric_names():
    """Every metric that a rule, a dashboard or a page names exists."""
    known, dogs = known_metrics()
    series = set(known)
    for name, kind in known.items():
        if kind == "histogram":
            series |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    modules = yaml.safe_load((CONFIG / "blackbox/blackbox.yml").read_text())["modules"]
    paths = [*(CONFIG / "prometheus").rglob("*.yml"), *(CONFIG / "grafana").rglob("*.json"), ROOT / "README.md"]
    for path in [*paths, *(DOCS / page for page in PAGES)]:
        # Recorded names (level:picoclaw_...) are not the gateway's; families (`picoclaw_sink_*`) are no series.
        for name in set(re.findall(r"(?<![:\w])(?:picoclaw|process)_[a-z_]+\b(?![*.:])", path.read_text())):
            if name not in series and not name.endswith("_") and name not in modules:
                yield f"{path.relative_to(ROOT)}: {name} is not in docs/metrics.md"
    for path in [CONFIG / "datadog/dashboard.json"]:
        for name in set(re.findall(r"\bpicoclaw\.[a-z_.]+", path.read_text())):
            if name.rstrip(".") not in dogs and name not in ("picoclaw.provider.", "picoclaw.tool."):
                yield f"{path.relative_to(ROOT)}: {name} is not in docs/metrics.md"
    check = yaml.safe_load((CONFIG / "datadog/conf.d/openmetrics.d/conf.yaml").read_text())
    wanted = check["instances"][0]["metrics"]
    plain = {re.sub("_total$", "", name.removeprefix("picoclaw_")) for name in known}
    for pattern in wanted:
        if not any(re.fullmatch(pattern, name) for name in plain):
            yield f"openmetrics.d: {pattern} matches no metric"
    for name in sorted(plain):
        if not name.endswith("timestamp_seconds") and not any(re.fullmatch(pattern, name) for pattern in wanted):
            if name != "telemetry_events":
                yield f"openmetrics.d: {name} is not collected"


def templates():
    """`picoclaw integrations` fills the files in by replacing these very words."""
    for path in CONFIG.rglob("*"):
        if not path.is_file() or "guide" in path.parts or path.name in ("picoclaw.json", "picoclaw.schema.json"):
            continue
        name, text = path.relative_to(ROOT), path.read_text()
        if "localhost:18790" in text:
            yield f"{name}: localhost:18790 would not be replaced"
        if text.count("picoclaw:auth-begin") != text.count("picoclaw:auth-end"):
            yield f"{name}: auth markers do not pair"
        for block in re.findall(r"picoclaw:auth-begin\n(.*?)^ *(?:#|//) picoclaw:auth-end", text, re.S | re.M):
            if not all(re.match(r" *(#|//) ", line) for line in block.splitlines()):
                yield f"{name}: a line between the auth markers is not commented"
            filled = text.replace(block, re.sub(r"^( *)(#|//) ", r"\1", block, flags=re.M))
            if path.suffix in (".yml", ".yaml"):
                try:
                    list(yaml.safe_load_all(filled))
                except yaml.YAMLError as error:
                    yield f"{name}: with the auth lines in force: {error}"


def documents():
    """The guide's own snippets stand in the documents as they are in config/, numbers are right, links lead somewhere."""
    guide = (DOCS / "monitoring.md").read_text()
    count = len(list(rules()))
    groups = yaml.safe_load((CONFIG / "prometheus/alerts.yml").read_text())["groups"]
    own = sum(len(group["rules"]) for group in groups)
    inhibit = len(yaml.safe_load((CONFIG / "alertmanager/alertmanager.yml").read_text())["inhibit_rules"])
    expected = {
        "README.md": [f"({count} alerts "],
        "docs/monitoring.md": [
            f"scrape, {count} alerts", f"and {own - 4} more:", f"SUCCESS: {own} rules found", f"{inhibit} inhibit rules",
        ],
    }
    for page, phrases in expected.items():
        text = (ROOT / page).read_text()
        yield from (f"{page}: does not say {phrase!r}" for phrase in phrases if phrase not in text)
    for path in CONFIG.rglob("guide/*"):
        if not path.name.endswith("_test.yml") and path.read_text().strip() not in guide:
            yield f"{path.relative_to(ROOT)}: not in docs/monitoring.md word for word"
    for page in PAGES:
        text = (DOCS / page).read_text()
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in target and not (DOCS / target).exists():
                yield f"docs/{page}: {target} does not exist"
        for target in re.findall(r"`(config/[\w./-]+)`", text):
            if not (ROOT / target).exists():
                yield f"docs/{page}: {target} does not exist"


def dashboard_structure():
    for path in sorted((CONFIG / "grafana").glob("*.json")):
        yield from (f"{path.relative_to(ROOT)}: {problem}" for problem in dashboards.problems(path))


def main():
    checks = [parse, prometheus, other_programs, alerts, metric_names, dashboard_structure, templates, documents]
    found = 0
    for check in checks:
        problems = list(check())
        found += len(problems)
        print(f"{'FAIL ' if problems else 'ok   '} {check.__name__}")
        for problem in problems:
            print(f"      {problem}")
    print(f"files: {found} problems" if found else "files: all right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
