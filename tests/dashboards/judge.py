"""Whether what Prometheus answers is what it must be."""

import math

import expressions
import values

# Alerts that this run cannot make true: why. Each of their selectors must return points all the same.
NOT_MET = {
    "McpvisorNearFileDescriptorLimit": "takes thousands of sessions",
    "McpvisorMailboxBacklog": "takes a bug, or a machine without time",
    "McpvisorActorFailed": "takes a bug",
    "McpvisorServersNotSampled": "takes a /proc that hangs",
}


def points(prometheus, expression, shown):
    """Whether it returns a number at some time."""
    text = shown.put_into(expression.text)
    if expression.instant:
        found = [value for _, value in prometheus.instant(text, shown.end)]
    else:
        series = prometheus.ranged(text, shown.start, shown.end, shown.step())
        found = [value for _, samples in series for _, value in samples]
    return any(not math.isnan(value) for value in found)


def every_expression(prometheus, every, shown):
    faults = []
    for one in every:
        try:
            if not points(prometheus, one, shown):
                faults.append(f"{one.where}: no points: {one.text}")
        except ValueError as error:
            faults.append(f"{one.where}: {error}")
    return faults


def by_hand(rules):
    return [expressions.Expression(f"rule {rule['name']}", rule["query"]) for rule in rules]


def alerts_met(prometheus, alerts, shown):
    """Their expressions, without `for`, which is longer than the run."""
    faults = []
    for one in by_hand(alerts):
        name = one.where.removeprefix("rule ")
        if points(prometheus, one, shown) == (name in NOT_MET):
            faults.append(f"{name}: " + ("was met, and is named as one that cannot be" if name in NOT_MET else "was not met"))
        for selector in sorted(expressions.selectors_in(one.text)):
            if not points(prometheus, expressions.Expression("", selector), shown):
                faults.append(f"{name}: nothing is {selector}")
    known = {one["name"] for one in alerts}
    return faults + [f"{name}: no such alert" for name in NOT_MET if name not in known]


def mutation(prometheus, every, run, shown, renamed):
    """In the copy without these metrics just those expressions must fail that use them, and the values too."""
    names, copy = set(renamed.split("|")), expressions.Variables(**(vars(shown) | {"job": "renamed"}))
    hit = [one for one in every if expressions.metrics_in(one.text) & names]
    broken = set(every_expression(prometheus, every, shown))  # told already
    found = {fault.split(": no points")[0] for fault in set(every_expression(prometheus, every, copy)) - broken}
    faults = [f"{one.where} was not missed" for one in hit if one.where not in found]
    faults += [f"{where} failed for another reason" for where in sorted(found - {one.where for one in hit})]
    missed = " ".join(values.exact(prometheus, run, copy))
    faults += [f"the values do not miss {name}" for name in names if name in str(run.expected) and name not in missed]
    return faults if hit else ["no expression uses them"]
