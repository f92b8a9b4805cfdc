"""The pieces that dashboards are made of: every panel has a title, a description, a unit and expressions."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What the variables of a dashboard let through. `backend` is for metrics that have that label.
SERVICE = 'job=~"$job",instance=~"$instance"'
BACKEND = SERVICE + ',backend=~"$backend"'

# Few colours, always with the same meaning.
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "#EAB839", "orange", "red", "blue", "#808080"


def of(name, more="", scope=BACKEND):
    """A selector of one metric; `more` are further matchers."""
    return name + "{" + scope + ("," + more if more else "") + "}"


def rate(name, more="", scope=BACKEND, window="$__rate_interval"):
    return f"rate({of(name, more, scope)}[{window}])"


def increase(name, more="", scope=BACKEND, window="1h"):
    return f"increase({of(name, more, scope)}[{window}])"


def quantile(q, name, more="", by="", scope=BACKEND, window="$__rate_interval"):
    labels = "le, " + by if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) ({rate(name + '_bucket', more, scope, window)}))"


def query(expr, legend="", instant=False):
    return {"expr": expr, "legendFormat": legend or "__auto", "instant": instant, "range": not instant}


def limit(regex="limit.*"):
    """The look of a limit: dashed, red, thin, not filled, not stacked."""
    looks = {
        "color": {"mode": "fixed", "fixedColor": RED},
        "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
        "custom.lineWidth": 1,
        "custom.fillOpacity": 0,
        "custom.stacking": {"mode": "none", "group": "limit"},
    }
    return by_regex(regex, looks)


def legend_only(name):
    """A limit far away, which would press all else against the ground: its value stands in the legend."""
    return by_name(name, {"custom.hideFrom": {"viz": True, "legend": False, "tooltip": False}, "custom.stacking": {"mode": "none"}})


def by_regex(regex, looks):
    return {
        "matcher": {"id": "byRegexp", "options": regex},
        "properties": [{"id": key, "value": value} for key, value in looks.items()],
    }


def by_name(name, looks):
    return by_regex(name, looks) | {"matcher": {"id": "byName", "options": name}}


def coloured(colours):
    """One fixed colour per series name."""
    return [by_name(name, {"color": {"mode": "fixed", "fixedColor": colour}}) for name, colour in colours.items()]


def steps(*pairs):
    """Thresholds: `steps(GREEN, (1, ORANGE), (5, RED))`."""
    first, rest = pairs[0], pairs[1:]
    known = [{"color": first, "value": None}] + [{"color": colour, "value": value} for value, colour in rest]
    return {"mode": "absolute", "steps": known}


def mapped(texts):
    """Value mappings: `{0: ("ok", GREEN)}`."""
    options = {
        str(value): {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def nothing(text):
    """What is shown in place of no number at all, as a quotient without traffic."""
    return [{"type": "special", "options": {"match": "null+nan", "result": {"text": text, "color": GREY, "index": 0}}}]


def panel(kind, title, description, unit, queries, options, defaults=None, overrides=(), **more):
    targets = []
    for index, one in enumerate(queries):
        targets.append({"refId": chr(ord("A") + index), "datasource": DATASOURCE, "editorMode": "code", **one})
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": list(overrides)},
        "options": options,
        **more,
    }


def stat(title, description, unit, queries, thresholds, mappings=(), decimals=None, spark=True, names=False,
         overrides=()):
    """One number that answers one question."""
    defaults = {"thresholds": thresholds, "color": {"mode": "thresholds"}, "mappings": list(mappings), "noValue": "–"}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "colorMode": "value",
        "graphMode": "area" if spark else "none",
        "justifyMode": "center",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if names else "value",
    }
    return panel("stat", title, description, unit, queries, options, defaults, overrides)


def lines(title, description, unit, queries, overrides=(), thresholds=None, stacked=False, bars=False, low=0, high=None,
          mappings=(), log=False, decimals=None, none="none"):
    """What went on over time. Names keep their colour from panel to panel."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 0 if bars else 1,
        "fillOpacity": 80 if bars else 30 if stacked else 8,
        "showPoints": "auto",  # a lone point would not be seen as a line
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
    }
    if log:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    defaults = {"custom": custom, "color": {"mode": "palette-classic-by-name"}, "mappings": list(mappings),
                "noValue": none}
    if decimals is not None:
        defaults["decimals"] = decimals
    if low is not None and not log:
        defaults["min"] = low
    if high is not None:
        defaults["max"] = high
    if thresholds:
        defaults["thresholds"] = thresholds
    options = {
        # The greatest first: most backends are well, and zero.
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"], "sortBy": "Max",
                   "sortDesc": True},
        "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": True},
    }
    return panel("timeseries", title, description, unit, queries, options, defaults, overrides)


def ranking(title, description, unit, expr, legend, thresholds, none="none", decimals=None):
    """Bars for the time shown, the longest first."""
    defaults = {"color": {"mode": "thresholds"}, "min": 0, "noValue": none, "thresholds": thresholds}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "valueMode": "text",
        "namePlacement": "left",
    }
    return panel("bargauge", title, description, unit, [query(expr, legend, instant=True)], options, defaults)


def timeline(title, description, expr, legend, mappings, none):
    """One band per series, coloured by its state."""
    defaults = {
        "custom": {"fillOpacity": 80, "lineWidth": 0},
        "color": {"mode": "thresholds"},
        "thresholds": steps(GREY),
        "mappings": mappings,
        "noValue": none,
    }
    options = {
        "alignValue": "center",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel("state-timeline", title, description, "none", [query(expr, legend)], options, defaults)


def table(title, description, columns, key, key_looks):
    """One row per value of the label `key`; `columns` are (name, expression, looks)."""
    queries = [query(expr, instant=True) | {"format": "table"} for _, expr, _ in columns]
    letters = [chr(ord("A") + index) for index in range(len(columns))]
    names = {f"Value #{letter}": name for letter, (name, _, _) in zip(letters, columns)}
    order = {key: 0} | {f"Value #{letter}": index + 1 for index, letter in enumerate(letters)}
    organize = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names | {key: key.capitalize()}}
    overrides = [by_name(key.capitalize(), key_looks)] + [by_name(name, looks) for name, _, looks in columns]
    defaults = {"custom": {"align": "auto", "filterable": False}, "noValue": "–", "color": {"mode": "thresholds"},
                "thresholds": steps("text"), "mappings": nothing("–")}
    options = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns[0][0], "desc": True}]}
    transformations = [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]
    return panel("table", title, description, "short", queries, options, defaults, overrides, transformations=transformations)
