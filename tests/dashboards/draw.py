"""Draws panels as Grafana would, roughly: enough to see whether they can be read."""

import re

import matplotlib
from figures import number, when
from matplotlib import pyplot
from PIL import Image

matplotlib.use("Agg")
DOTS = 100
INK, PAPER, LINE = "#ccccdc", "#181b1f", "#34373d"
COLOURS = {"green": "#73BF69", "red": "#F2495C", "orange": "#FF9830", "blue": "#5794F2", "purple": "#B877D9", "dark-red": "#C4162A",
           "text": INK, "transparent": "none"}
PALETTE = ["#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300", "#447EBC",
           "#C15C17", "#890F02", "#0A437C"]
pyplot.rcParams.update({"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": LINE,
                        "figure.facecolor": PAPER, "axes.facecolor": PAPER, "savefig.facecolor": PAPER, "font.size": 8,
                        "font.family": "DejaVu Sans"})


def colour(name):
    return COLOURS.get(name, name)


def named(name):
    """The same name has the same colour in all panels."""
    return PALETTE[sum(ord(letter) * (place + 1) for place, letter in enumerate(name)) % len(PALETTE)]


def legend_of(expression, labels):
    if expression.legend == "__auto":
        return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "value"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found.group(1), ""), expression.legend)


def overridden(panel, name):
    """What is set for the series of that name."""
    looks = {}
    for one in panel["fieldConfig"]["overrides"]:
        how, what = one["matcher"]["id"], one["matcher"]["options"]
        if what == name if how == "byName" else re.search(what, name):
            looks |= {each["id"]: each["value"] for each in one["properties"]}
    return looks


def threshold(value, thresholds):
    reached = [step["color"] for step in thresholds["steps"] if step["value"] is None or value >= step["value"]]
    return colour(reached[-1])


def mapping(value, mappings):
    """(text, colour) of a mapped value."""
    for one in mappings:
        special = one["type"] == "special" and value != value
        found = one["options"]["result"] if special else one["options"].get(str(int(value))) if value == value else None
        if found:
            return found["text"], colour(found["color"])
    return None


class Picture:
    """One panel."""

    def __init__(self, panel, found, shown):
        self.panel, self.found, self.shown = panel, found, shown
        self.defaults, self.unit = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["defaults"]["unit"]
        at = panel["gridPos"]
        self.figure = pyplot.figure(figsize=(at["w"] * 0.72, at["h"] * 0.38), dpi=DOTS)
        self.figure.text(0.01, 0.99, panel["title"], va="top", ha="left", fontsize=9, weight="bold")
        getattr(self, panel["type"].replace("-", "_"))()

    def axes(self, left=0.12, bottom=0.34, top=0.86):
        axes = self.figure.add_axes((left, bottom, 0.97 - left, top - bottom))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        return axes

    def time_axis(self, axes):
        axes.set_xlim(self.shown.start, self.shown.end)
        axes.xaxis.set_major_formatter(lambda at, _: f"{at - self.shown.start:.0f} s")

    def nothing(self):
        self.figure.text(0.5, 0.5, self.defaults.get("noValue", "No data"), ha="center", va="center", color="#888888", fontsize=12)

    def timeseries(self):
        axes, custom, rows, low = self.axes(left=0.96 / self.panel["gridPos"]["w"]), self.defaults["custom"], [], {}
        series = [(legend_of(one, labels), samples) for one, many in self.found for labels, samples in many]
        for name, samples in sorted(series):
            looks = overridden(self.panel, name)
            fixed = looks.get("color", {}).get("fixedColor")
            ink, (times, values) = colour(fixed) if fixed else named(name), zip(*samples)
            dashed = "custom.lineStyle" in looks
            known = [value for value in values if value == value]
            if known:
                rows.append((max(known), name, ink, known[-1]))
            if "custom.hideFrom" in looks:
                continue
            if custom["stacking"]["mode"] == "normal" and not dashed:
                below = [low.get(at, 0) for at in times]
                low |= {at: under + (value if value == value else 0) for at, value, under in zip(times, values, below)}
                tops = [low[at] for at in times]
                step = "mid" if custom["drawStyle"] == "bars" else None
                axes.fill_between(times, below, tops, color=ink, alpha=0.6, step=step, linewidth=0)
            else:
                axes.plot(times, values, color=ink, linewidth=1.2, linestyle="--" if dashed else "-", markersize=2,
                          marker="" if dashed else ".")
        if not rows:
            axes.remove()
            return self.nothing()
        if custom.get("scaleDistribution"):
            axes.set_yscale("log")
        elif "min" in self.defaults:
            axes.set_ylim(bottom=self.defaults["min"], top=self.defaults.get("max"))
        for step in self.defaults.get("thresholds", {"steps": []})["steps"]:
            if step["value"] is not None:
                axes.axhline(step["value"], color=colour(step["color"]), linestyle="--", linewidth=1)
        axes.grid(color=LINE, linewidth=0.5)
        axes.yaxis.set_major_formatter(lambda value, _: self.tick(value))
        axes.yaxis.set_minor_formatter("")
        self.time_axis(axes)
        self.names(rows)

    def tick(self, value):
        mapped = mapping(value, self.defaults.get("mappings", [])) if value == int(value) else None
        return mapped[0] if mapped else "" if self.defaults.get("mappings") else number(value, self.unit, self.defaults.get("decimals"))

    def names(self, rows, most=8):
        rows = sorted(rows, key=lambda row: -row[0])
        for place, (top, name, ink, last) in enumerate(rows[:most]):
            x, y = 0.02 + 0.5 * (place % 2), 0.2 - 0.055 * (place // 2)
            self.figure.text(x, y, "■", color=ink)
            self.figure.text(x + 0.03, y, f"{name[:26]}  {self.tick(last)} (max {self.tick(top)})", fontsize=7)
        if len(rows) > most:
            self.figure.text(0.98, 0.01, f"+ {len(rows) - most}", ha="right", fontsize=7)

    def stat(self):
        shown = []
        for one, many in self.found:
            name = legend_of(one, {})
            for _, samples in many[:1]:
                known = [value for _, value in samples]
                value, looks = (known or [float("nan")])[-1], overridden(self.panel, name)
                mapped = mapping(value, self.defaults.get("mappings", []))
                ink = threshold(value, looks.get("thresholds", self.defaults["thresholds"])) if value == value else INK
                text, ink = mapped or (number(value, self.unit, self.defaults.get("decimals")), ink)
                shown.append((name if len(self.found) > 1 else "", text, ink))
        for place, (name, text, ink) in enumerate(shown):
            y = 0.42 if len(shown) == 1 else 0.58 - 0.36 * place
            self.figure.text(0.5, y, f"{name}  {text}".strip(), color=ink, ha="center", va="center", fontsize=20 if len(shown) == 1 else 15)
        if not shown:
            self.nothing()

    def bargauge(self):
        bars = [(legend_of(one, labels), samples[-1][1]) for one, many in self.found for labels, samples in many]
        if not bars:
            return self.nothing()
        axes = self.axes(left=0.42, bottom=0.05)
        bars = bars[:14][::-1]
        inks = [threshold(value, self.defaults["thresholds"]) for _, value in bars]
        axes.barh([name for name, _ in bars], [value for _, value in bars], color=inks, height=0.7)
        for place, (_, value) in enumerate(bars):
            axes.text(value, place, f" {number(value, self.unit, self.defaults.get('decimals'))}", va="center")
        axes.set_xticks([])

    def state_timeline(self):
        rows = sorted((legend_of(one, labels), samples) for one, many in self.found for labels, samples in many)
        if not rows:
            return self.nothing()
        longest = max(len(name) for name, _ in rows)
        axes, step = self.axes(left=max(0.08, longest * 0.0047), bottom=0.12, top=0.9), self.shown.step()
        for place, (_, samples) in enumerate(rows):
            begun = 0
            for index in range(1, len(samples) + 1):
                same = index < len(samples) and samples[index][1] == samples[begun][1]
                if same and samples[index][0] - samples[index - 1][0] <= step * 1.5:
                    continue
                start, end = samples[begun][0], samples[index - 1][0] + step
                text, ink = mapping(samples[begun][1], self.defaults["mappings"])
                axes.barh(place, end - start, left=start, color=ink, height=0.8)
                if end - start > 0.07 * (self.shown.end - self.shown.start):
                    axes.text((start + end) / 2, place, text, ha="center", va="center", color="black", fontsize=7)
                begun = index
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        self.time_axis(axes)

    def table(self):
        looks = {one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
                 for one in self.panel["fieldConfig"]["overrides"]}
        organize = self.panel["transformations"][1]["options"]
        names = [organize["renameByName"][f"Value #{one.where[-1]}"] for one, _ in self.found]
        cells = {}
        for name, (_, many) in zip(names, self.found):
            for labels, samples in many:
                cells.setdefault(labels["backend"], {})[name] = samples[-1][1]
        order = sorted(cells, key=lambda one: (-cells[one].get(names[0], -1), one))
        axes = self.axes(left=0.01, bottom=0.02, top=0.9)
        axes.axis("off")
        for row, backend in enumerate(["", *order]):
            for column, name in enumerate(["Backend", *names]):
                text, ink, back = self.cell(row, backend, name, cells, looks)
                x, y = (column / (len(names) + 1), 1 - (row + 0.5) / (len(order) + 1))
                axes.text(x, y, text, color=ink, va="center", weight="bold" if row == 0 else "normal",
                          bbox={"facecolor": back, "edgecolor": "none", "pad": 2} if back else None)

    def cell(self, row, backend, name, cells, looks):
        if row == 0 or name == "Backend":
            return (name if row == 0 else backend), INK, None
        value, look = cells[backend].get(name), looks.get(name, {})
        if value is None or value != value:
            return "–", "#888888", None
        mapped = mapping(value, look.get("mappings", []))
        if mapped:
            return mapped[0], "black", mapped[1]
        ink = threshold(value, look["thresholds"]) if "thresholds" in look else INK
        unit = look.get("unit", self.unit)
        text = when(value, self.shown.end) if unit == "dateTimeFromNow" else number(value, unit, look.get("decimals"))
        return text, ink, None


def all_panels(prometheus, every, shown, out):
    """Every panel, and each dashboard as a whole."""
    out.mkdir(parents=True, exist_ok=True)
    places = {}
    for one in every:
        if one.panel:
            places.setdefault((one.where.split(".")[0], one.panel["id"]), []).append(one)
    pages = {}
    for (page, number_), many in places.items():
        panel, found = many[0].panel, []
        for one in many:
            text = shown.put_into(one.text)
            if one.instant:
                series = [(labels, [(shown.end, value)]) for labels, value in prometheus.instant(text, shown.end)]
            else:
                series = prometheus.ranged(text, shown.start, shown.end, shown.step())
            found.append((one, series))
        figure = Picture(panel, found, shown).figure
        file = out / f"{page}-{number_:02}-{re.sub('[^a-z0-9]+', '-', panel['title'].lower()).strip('-')}.png"
        figure.savefig(file, dpi=DOTS)
        pyplot.close(figure)
        pages.setdefault(page, []).append((panel["gridPos"], file))
    for page, drawn in pages.items():
        rows = max(at["y"] + at["h"] for at, _ in drawn)
        whole = Image.new("RGB", (24 * 72, rows * 38), "#0f1115")
        for at, file in drawn:
            whole.paste(Image.open(file).resize((at["w"] * 72 - 6, at["h"] * 38 - 6)), (at["x"] * 72, at["y"] * 38))
        whole.save(out / f"{page}.png")
    print(f"drawn: {sum(map(len, pages.values()))} panels in {out}")


