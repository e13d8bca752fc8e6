"""What a Grafana dashboard must be so that import and provisioning take it, and the queries in it."""

import json

# Panels that current versions of Grafana have; `graph` and `singlestat` are gone.
PANELS = {"timeseries", "stat", "heatmap", "table", "logs", "row"}


def panels(path):
    """The panels of a dashboard, those inside collapsed rows too."""
    for panel in json.loads(path.read_text())["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries(path):
    """Title of the panel, expression and kind of data source, of every query of a dashboard and of its annotations."""
    for panel in panels(path):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], target["datasource"]["type"]
    for annotation in json.loads(path.read_text())["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"], annotation["datasource"]["type"]


def problems(path):
    """Everything that is wrong with a dashboard."""
    dashboard = json.loads(path.read_text())
    if "dashboard" in dashboard:
        yield "wrapped in {\"dashboard\": ...}: neither import nor provisioning unwraps it"
        return
    if dashboard.get("schemaVersion", 0) < 39:
        yield "schemaVersion below 39"
    if not dashboard.get("uid") or "id" in dashboard:
        yield "needs a uid and no numeric id"
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    all_panels = list(panels(path))
    ids = [panel["id"] for panel in all_panels]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    for panel in all_panels:
        title = panel.get("title") or "a panel"
        if panel["type"] not in PANELS:
            yield f"{title}: type {panel['type']}"
        if panel["type"] == "row":
            continue
        if not panel.get("title") or not panel.get("description"):
            yield f"{title}: no title or no description"
        if "unit" not in panel["fieldConfig"]["defaults"] and panel["type"] in ("timeseries", "stat"):
            yield f"{title}: no unit"
        sources = [panel.get("datasource"), *(target.get("datasource") for target in panel["targets"])]
        for source in sources:
            if not isinstance(source, dict) or source["uid"].strip("${}") not in variables:
                yield f"{title}: its data source is not an object with a variable"
        references = [target.get("refId") for target in panel["targets"]]
        if None in references or len(references) != len(set(references)):
            yield f"{title}: refIds"
        for target in panel["targets"]:
            rate = "per minute" in title.lower() and "in flight" not in target["legendFormat"]
            if rate and "* 60" not in target["expr"]:
                yield f"{title}: not per minute: {target['expr']}"
    yield from overlaps(all_panels)


def overlaps(all_panels):
    """Panels that cover each other or stick out of the 24 columns."""
    taken = {}
    for panel in all_panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"{panel['title']}: sticks out"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other is not panel["title"]:
                    yield f"{panel['title']} covers {other}"
                    return
