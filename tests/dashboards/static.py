"""What can be said of the files alone."""

import json
import pathlib
import re
import subprocess
import sys

import expressions

SUFFIXES = ("_bucket", "_sum", "_count")
# Of Prometheus itself.
FOREIGN = {"up", "ALERTS"}


def catalogue(root):
    """name -> {label: its values, None where the configuration says which}"""
    known = {}
    for one in json.loads((root / "docs/metrics.json").read_text())["metrics"]:
        known[one["name"]] = {label["name"]: label.get("values") for label in one["labels"]}
    return known


def unlike(name, matchers, labels):
    """Labels and values in a selector that the metric has not."""
    labels = labels | dict.fromkeys(("job", "instance", "le"))
    for label, value in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', matchers):
        if label not in labels:
            yield f"{name} has no label {label}"
        elif labels[label] is not None:
            for one in value.split("|"):
                if one not in labels[label]:
                    yield f'{name} has no {label}="{one}"'


def check(root, rules, alerts):
    """Faults found, as lines. `rules` and `alerts`: as Prometheus has read them."""
    faults, folder = [], root / "grafana"
    done = subprocess.run([sys.executable, "-B", folder / "generate", "--check"], capture_output=True, text=True)
    if done.returncode:
        faults.append(done.stderr.strip())

    labels, recorded = catalogue(root), {rule["name"] for rule in rules}
    known = set(labels) | FOREIGN
    every = [one for file in dashboards(root) for one in expressions.of_dashboard(file)]
    every += [expressions.Expression(f"rule {rule['name']}", rule["query"]) for rule in rules + alerts]
    used = set()
    for one in every:
        for name in expressions.metrics_in(one.text):
            base = name if name in known else re.sub("(" + "|".join(SUFFIXES) + ")$", "", name)
            used.add(base)
            if base not in known and name not in recorded:
                faults.append(f"{one.where}: {name} is not in docs/metrics.json")
            if name in recorded and one.panel:
                faults.append(f"{one.where}: {name} is recorded; dashboards work without the rules")
        for name, matchers in re.findall(r"([a-z_]+)\{([^}]*)\}", one.text):
            base = name if name in known else re.sub("(" + "|".join(SUFFIXES) + ")$", "", name)
            faults += [f"{one.where}: {fault}" for fault in unlike(base, matchers, labels.get(base, {})) if base in labels]

    for name in sorted(known - used - FOREIGN - set(NOT_SHOWN)):
        faults.append(f"{name} is in no dashboard and no rule")
    for name in sorted(set(NOT_SHOWN) & used | set(NOT_SHOWN) - known):
        faults.append(f"{name} is named as not shown, but it is, or is unknown")
    for file in dashboards(root):
        faults += looks(file)
    return faults + runbooks(folder, alerts)


def dashboards(root):
    return [root / "grafana/overview.json", root / "grafana/supervision.json"]


# In the catalogue and in no dashboard: why.
NOT_SHOWN = {
    "process_virtual_memory_bytes": "says little",
    "process_threads": "says little: workers, and threads for files",
}


def looks(file):
    """What every panel must have, and what must be unique."""
    dashboard, faults, seen, places = json.loads(file.read_text()), [], set(), []
    for panel in expressions.panels(dashboard):
        where = f"{file.name}: {panel['title']}"
        if not panel["description"] or not panel["fieldConfig"]["defaults"]["unit"]:
            faults.append(f"{where}: no description or unit")
        if panel["id"] in seen or panel["title"] in seen:
            faults.append(f"{where}: its id or title stands twice")
        seen |= {panel["id"], panel["title"]}
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if any(cells & other for other in places) or at["x"] + at["w"] > 24:
            faults.append(f"{where}: does not fit into its place")
        places.append(cells)
    names = [one["name"] for one in dashboard["templating"]["list"]]
    if names != ["datasource", "job", "instance", "backend"]:
        faults.append(f"{file.name}: its variables are {names}")
    linked = [link for link in dashboard["links"] if set(link["tags"]) & set(dashboard["tags"]) and link["includeVars"]]
    if not linked:
        faults.append(f"{file.name}: does not lead to the other one")
    uids = {json.loads(one.read_text())["uid"] for one in dashboards(file.parent.parent)}
    for uid in re.findall(r"/d/([\w-]+)", file.read_text()):
        if uid not in uids:
            faults.append(f"{file.name}: leads to {uid}, which there is not")
    return faults


def runbooks(folder, alerts):
    """Every alert explains itself, and is explained in the README."""
    faults, text = [], (folder / "README.md").read_text()
    headlines = {line[4:].strip().lower() for line in text.splitlines() if line.startswith("### ")}
    for alert in alerts:
        annotations = alert["annotations"]
        if not {"summary", "description", "runbook"} <= set(annotations) or "severity" not in alert["labels"]:
            faults.append(f"{alert['name']}: summary, description, runbook or severity is missing")
        page, _, anchor = annotations.get("runbook", "").partition("#")
        if page != "grafana/README.md" or anchor not in headlines:
            faults.append(f"{alert['name']}: {page}#{anchor} is no section")
    tested = set(re.findall(r"alertname: (\w+)", (folder / "alerts_test.yml").read_text()))
    faults += [f"{alert['name']}: has no test" for alert in alerts if alert["name"] not in tested]
    return faults


def root():
    return pathlib.Path(__file__).resolve().parents[2]
