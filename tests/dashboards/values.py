"""Whether the numbers are those of the faults that were injected."""


import expressions

# (dashboard, panel, query) and the labels of a series: what it must show in the end; None = anything above zero.
PANELS = {
    ("supervision.json", "Restarts in the time shown", "A"): {
        ("crashy", "exit"): 2, ("crashy", "signal"): 1, ("nearing", "exit"): 6, ("hanging", "unresponsive"): 1, ("waiting", "exit"): 2,
    },
    ("supervision.json", "Refused in the time shown", "A"): {
        ("crashy", "backend_lost"): 4, ("crashy", "backend_unavailable"): 30, ("broken", "launch_failed"): 3, ("hanging", "timeout"): 1,
    },
    ("supervision.json", "State of the backends", "A"): {
        ("steady",): 1, ("crashy",): 6, ("broken",): 7, ("vanished",): 6, ("unused",): 0, ("nearing",): 1,
    },
    ("supervision.json", "Errors against the limit", "A"): {("nearing",): 6, ("steady",): 0},
    ("supervision.json", "Errors against the limit", "B"): {("nearing",): 7},
    ("supervision.json", "Processes", "A"): {("steady",): 1, ("crashy",): 0, ("reserved",): 2},
    ("overview.json", "Backends", "B"): {("steady",): 1, ("crashy",): 0},
    ("overview.json", "Backends", "C"): {("crashy",): 1, ("vanished",): 1, ("steady",): 0},
    ("overview.json", "Backends", "D"): {("crashy",): 3, ("nearing",): 6, ("steady",): 0},
    ("overview.json", "Backends", "E"): {("crashy",): 4, ("nearing",): 6, ("steady",): 0},
    ("overview.json", "Backends", "H"): {("nearing",): 6 / 7, ("steady",): 0},
    ("overview.json", "Backends", "L"): {("steady",): None},
    ("overview.json", "Instances", "A"): {(): 1},
    ("overview.json", "Instances", "B"): {(): 1},
}


def scoped(selector, shown):
    """The sum of a selector, also of an instance that has gone."""
    inside = f'job="{shown.job}"'
    more = selector[selector.index("{") + 1 : -1]
    return f"sum(last_over_time({selector[: selector.index('{')]}{{{inside}{',' + more if more else ''}}}[10m]))"


def number(prometheus, selector, shown):
    found = prometheus.instant(scoped(selector, shown), shown.end)
    return found[0][1] if found else None


def exact(prometheus, run, shown):
    faults = []
    for selector, wanted in run.expected.items():
        got = number(prometheus, selector, shown)
        if got != wanted:
            faults.append(f"{selector} is {got}, not {wanted}")
    for selector, least in run.at_least.items():
        got = number(prometheus, selector, shown)
        if got is None or got < least:
            faults.append(f"{selector} is {got}, not {least} at least")
    return faults


def of_panels(prometheus, every, shown):
    faults = []
    for (file, title, letter), wanted in PANELS.items():
        one = next((one for one in every if one.where == f"{file}: {title}: {letter}"), None)
        if one is None:
            faults.append(f"{file}: {title}: {letter} is no more")
            continue
        text = shown.put_into(one.text)
        found = {tuple(value for key, value in sorted(labels.items())): value for labels, value in prometheus.instant(text, shown.end)}
        for labels, value in wanted.items():
            got = found.get(labels)
            if not (got is not None and near(got, value)):
                faults.append(f"{one.where}: {labels} shows {got}, not {value}")
    return faults


def near(got, wanted):
    """What increase() makes of a window is not quite whole."""
    return got > 0 if wanted is None else abs(got - wanted) <= max(0.3, 0.1 * wanted)


def variables(prometheus, files, shown):
    faults = []
    wanted = {"job": {"mcpvisor", "renamed"}, "backend": {"steady", "crashy", "tight"}}
    for file in files:
        for name, selector, label in expressions.variables_of(file):
            matched = {"match[]": shown.put_into(selector), "start": shown.start, "end": shown.end}
            listed = set(prometheus.ask(f"label/{label}/values", **matched))
            if not listed >= wanted.get(name, set()) or (name == "instance" and len(listed) != 2):
                faults.append(f"{file.name}: ${name} lists {sorted(listed)}")
    return faults


def identity(prometheus, shown):
    """Each fault that counts leads to a restart, a stop, an abandoned restart, or to one that waits."""
    job = f'job="{shown.job}"'
    ordered = 'reason!~"manual|reload"'

    def total(name, more=""):
        return f"sum by (backend) (last_over_time({name}{{{job}{',' + more if more else ''}}}[10m]))"

    left = total("mcpvisor_faults_total", 'reason!~"http_status|external"')
    right = " + ".join([
        total("mcpvisor_restarts_total", ordered), total("mcpvisor_max_error_stops_total"), total("mcpvisor_fatal_stops_total"),
        total("mcpvisor_restarts_abandoned_total"), total("mcpvisor_connections", 'phase="backing_off"'),
    ])
    found = prometheus.instant(f"({left}) - ({right})", shown.end)
    faults = [f"{labels['backend']}: {value:+.0f}" for labels, value in found if value]
    return faults if len(found) > 5 else [f"only {len(found)} backends have all of these counters"]


__all__ = ["exact", "identity", "of_panels", "variables"]
