"""Every expression of the dashboards and the rules, as Prometheus gets it."""

import json
import re
from dataclasses import dataclass, field

# Of a metric's name only; labels stand in braces or after by, on, without and the like.
WORDS = {"sum", "max", "min", "avg", "count", "by", "on", "and", "or", "unless", "ignoring", "without", "bool", "offset", "group_left",
         "group_right", "topk", "bottomk", "inf", "nan", "e"}


@dataclass
class Expression:
    """One of a panel, an annotation, a variable or a rule."""

    where: str
    text: str
    instant: bool = False
    panel: dict = field(default=None, repr=False)
    legend: str = ""


@dataclass
class Variables:
    """What the user has chosen, and the time shown; in seconds."""

    job: str
    instance: str
    backend: str
    start: float
    end: float
    scrape: float = 1.0

    def step(self, width=300):
        """Grafana's interval: the time shown over the width of the panel, not under that of the data source."""
        return max(self.scrape, round((self.end - self.start) / width))

    def put_into(self, text):
        """Variables become what Grafana makes of them."""
        step = self.step()
        values = {
            "job": self.job,
            "instance": self.instance,
            "backend": self.backend,
            "__interval": f"{int(step)}s",
            "__rate_interval": f"{int(max(step + self.scrape, 4 * self.scrape))}s",
            "__range": f"{int(self.end - self.start)}s",
            "__from": str(int(self.start * 1000)),
            "__to": str(int(self.end * 1000)),
        }

        def value(found):
            name = found.group(1) or found.group(2)
            if name not in values:
                raise ValueError(f"unknown variable ${name} in {text}")
            return values[name]

        return re.sub(r"\$(\w+)|\$\{(\w+)\}", value, text)


def panels(dashboard):
    """All panels, those of closed rows too."""
    for panel in dashboard["panels"]:
        yield from panel.get("panels", []) if panel["type"] == "row" else [panel]


def of_dashboard(path):
    dashboard = json.loads(path.read_text())
    for panel in panels(dashboard):
        for target in panel["targets"]:
            where = f"{path.name}: {panel['title']}: {target['refId']}"
            yield Expression(where, target["expr"], target["instant"], panel, target["legendFormat"])
    for one in dashboard["annotations"]["list"]:
        if "expr" in one:
            yield Expression(f"{path.name}: annotation {one['name']}", one["expr"])


def variables_of(path):
    """(name, the selector whose label is listed)"""
    for one in json.loads(path.read_text())["templating"]["list"]:
        if one["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", one["definition"]).groups()
            yield one["name"], selector, label


def metrics_in(text):
    """Names of metrics in an expression; recorded ones have a colon."""
    text = re.sub(r'"[^"]*"', "", text)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|on|ignoring|without|group_left|group_right) *\([^)]*\)", "", text)
    found = re.findall(r"(?<![\w.:$])([a-zA-Z_:][\w:]*)\b(?! *\()", text)
    return {name for name in found if name not in WORDS}


def selectors_in(text):
    """The vector selectors of an expression, without their ranges."""
    found = re.findall(r"(?<![\w.:$])([a-zA-Z_:][\w:]*(?:\{[^}]*\})?)", re.sub(r"\b(by|on) *\([^)]*\)", "", text))
    return {one for one in found if metrics_in(one) and not re.search(re.escape(one) + r" *\(", text)}
