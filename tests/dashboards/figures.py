"""Numbers with units, as Grafana writes them."""


def scaled(value, base, names):
    for name in names[:-1]:
        if abs(value) < base:
            return value, name
        value /= base
    return value, names[-1]


def number(value, unit, decimals=None):
    if value != value:
        return "NaN"
    if unit == "percentunit":
        return f"{short(value * 100, decimals)} %"
    if unit == "s":
        return seconds(value)
    if unit in ("bytes", "Bps"):
        names = ["B", "KiB", "MiB", "GiB", "TiB"] if unit == "bytes" else ["B", "kB", "MB", "GB", "TB"]
        value, name = scaled(value, 1024 if unit == "bytes" else 1000, names)
        return f"{short(value, decimals)} {name}{'/s' if unit == 'Bps' else ''}"
    if unit == "reqps":
        return f"{short(value, decimals)} req/s"
    if unit == "cpm":
        return f"{short(value, decimals)} c/m"
    return short(value, decimals)


def seconds(value):
    for limit, factor, name in ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (60, 1, "s"), (3600, 1 / 60, "min"), (86400, 1 / 3600, "h")):
        if abs(value) < limit:
            return f"{short(value * factor)} {name}"
    return f"{short(value / 86400)} d"


def short(value, decimals=None):
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def when(milliseconds, now):
    return f"{seconds(now - milliseconds / 1000)} ago"
