"""A dashboard around its panels: layout, variables, annotations, links."""

from panels import BACKEND, BLUE, DATASOURCE, GREY, ORANGE, RED, SERVICE, increase, of

TITLES = {"mcpvisor-overview": "mcpvisor / overview", "mcpvisor-supervision": "mcpvisor / supervision"}


def row(title, *bands, collapsed=False):
    """Bands of panels under one headline. A band: its height, then (width, panel) from left to right; 24 wide."""
    return {"title": title, "bands": bands, "collapsed": collapsed}


def variable(name, label, definition, every):
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": definition,
        "query": {"query": definition, "refId": name},
        "refresh": 2,  # as the time range changes: a backend that has gone since is still shown
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": every,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def variables():
    datasource = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
                  "current": {}}
    return [
        datasource,
        variable("job", "Job", "label_values(mcpvisor_build_info, job)", ".+"),
        variable("instance", "Instance", 'label_values(mcpvisor_build_info{job=~"$job"}, instance)', ".+"),
        variable("backend", "Backend", "label_values(" + of("mcpvisor_connections", scope=SERVICE) + ", backend)", ".+"),
    ]


def annotation(name, colour, expr, title, text, at_value=False, enable=True):
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": enable,
        "iconColor": colour,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": "backend,instance",
        # The value is the time, in milliseconds.
        "useValueForTime": at_value,
    }


def annotations():
    restarted = of("mcpvisor_last_restart_timestamp_seconds", scope=BACKEND)
    started = of("process_start_time_seconds", scope=SERVICE) + " and on (job, instance) mcpvisor_build_info"
    read = of("mcpvisor_config_last_reload_success_timestamp_seconds", scope=SERVICE)
    stops = "mcpvisor_max_error_stops_total", "mcpvisor_fatal_stops_total"
    stops = " or ".join(f"sum by (instance, backend) ({increase(name, window='2m')}) > 0" for name in stops)
    built_in = {"builtIn": 1, "name": "Annotations & Alerts", "type": "dashboard", "enable": True, "hide": True,
                "iconColor": BLUE, "datasource": {"type": "grafana", "uid": "-- Grafana --"}}
    return [
        built_in,
        annotation("Restarts", ORANGE, f"max by (instance, backend) ({restarted}) * 1000 > $__from", "restart",
                   "a server of {{backend}} was started anew on {{instance}}", at_value=True),
        annotation("Stops", RED, stops, "stopped", "a server of {{backend}} was stopped on {{instance}}, after too many "
                   "errors or one that no restart helps"),
        annotation("Service starts", GREY, f"({started}) * 1000 > $__from", "service start", "{{instance}} was started", at_value=True),
        annotation("Reloads", BLUE, f"{read} * 1000 > $__from", "configuration", "{{instance}} has read its configuration", at_value=True),
    ]


def links():
    """To the other dashboards of mcpvisor, with the same time and variables."""
    return [{"title": "mcpvisor", "type": "dashboards", "tags": ["mcpvisor"], "asDropdown": False, "keepTime": True, "includeVars": True}]


def dashboard(uid, description, rows):
    panels, y, number = [], 0, 1
    for one in rows:
        head = {"id": number, "type": "row", "title": one["title"], "collapsed": one["collapsed"], "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}}
        panels.append(head)
        into = head["panels"] if one["collapsed"] else panels
        number, y = number + 1, y + 1
        for height, *band in one["bands"]:
            x = 0
            for width, drawn in band:
                into.append({"id": number, "gridPos": {"h": height, "w": width, "x": x, "y": y}, **drawn})
                number, x = number + 1, x + width
            assert x <= 24, (one["title"], x)
            y += height
    return {
        "uid": uid,
        "title": TITLES[uid],
        "description": description,
        "tags": ["mcpvisor"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "templating": {"list": variables()},
        "annotations": {"list": annotations()},
        "links": links(),
        "panels": panels,
    }
