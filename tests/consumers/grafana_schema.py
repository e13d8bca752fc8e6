"""The dashboards against Grafana's own types, `@grafana/schema` from npm.

    python tests/consumers/grafana_schema.py

Needs node, npm and the network.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from dashboards import panels
from stack import CONFIG

PACKAGES = ["typescript@7.0.2", "@grafana/schema@13.2.3"]

# Keys that data sources add to what the schema knows.
ADDED = {"expr", "titleFormat", "textFormat", "tagKeys", "step", "useValueForTime", "definition"}

# The module of each panel's options.
OPTIONS = {"timeseries": "TimeSeries", "stat": "Stat", "heatmap": "Heatmap", "table": "Table", "logs": "Logs"}

TYPES = """
import type { Dashboard } from '@grafana/schema';
// Enums as the words that stand in JSON.
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
    : T extends (infer I)[] ? Plain<I>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
declare function dashboard<T extends Plain<Dashboard>>(value: T): void;
"""


def program():
    """A TypeScript program that is right if the dashboards are."""
    text = TYPES
    for kind, name in OPTIONS.items():
        module = f"@grafana/schema/dist/esm/raw/composable/{kind}/panelcfg/x/{name}PanelCfg_types.gen"
        text += f"import type {{ Options as {name} }} from '{module}';\n"
        text += f"declare function {kind}<T extends Partial<Plain<{name}>>>(value: T): void;\n"
    for path in sorted((CONFIG / "grafana").glob("*.json")):
        model = json.loads(path.read_text())
        for part in [*model["annotations"]["list"], *model["templating"]["list"]]:
            for key in ADDED & part.keys():
                del part[key]
        text += f"// {path.name}\ndashboard({json.dumps(model, indent=1)});\n"
        for panel in panels(path):
            if panel["type"] in OPTIONS:
                text += f"// {panel['title']}\n{panel['type']}({json.dumps(panel['options'], indent=1)});\n"
    return text


def main():
    with tempfile.TemporaryDirectory() as home:
        pathlib.Path(home, "package.json").write_text('{"type": "module"}')
        subprocess.run(["npm", "install", "--silent", *PACKAGES], cwd=home, check=True)
        pathlib.Path(home, "dashboards.ts").write_text(program())
        command = ["npx", "tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
        done = subprocess.run([*command, "dashboards.ts"], cwd=home, capture_output=True, text=True)
    print(done.stdout or "grafana schema: passed", end="" if done.stdout else "\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
