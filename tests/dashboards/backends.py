"""The servers of the run: each misbehaves in one way."""

import hashlib
import json

KEY = "a key of the test"
NEVER = '"10m"'


def backend(name, fixture, flags=(), settings=""):
    arguments = ", ".join(json.dumps(one) for one in ("misbehave", *flags))
    return f'[backends.{name}]\ncommand = {json.dumps(str(fixture))}\nargs = [{arguments}]\n{settings}\n'


def main_config(fixture, folder):
    """One backend per fault."""
    vanishing, starts = folder / "vanishing", folder / "starts"
    vanishing.symlink_to(fixture)
    quick = 'backoff = { min = "20ms", max = "50ms", jitter = 0.0 }\n'
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    parts = [
        f'[auth]\nkeys = [{{ id = "test", sha256 = "{digest}" }}]\n',
        "[telemetry]\ntool_labels = true\n",
        backend("steady", fixture),
        backend("crashy", fixture, ["--crash-tool"], f"{quick}pool.max_error_count = 3\npool.cooldown = {NEVER}"),
        backend("nearing", fixture, ["--crash-tool"], f"{quick}pool.max_error_count = 7"),
        backend("broken", fixture, ["--die-in-initialize"], f"limits.breaker_threshold = 3\npool.cooldown = {NEVER}"),
        backend("vanished", vanishing, ["--crash-tool"], f"{quick}pool.cooldown = {NEVER}"),
        backend("hanging", fixture, ["--no-answer", "--no-pong"],
                'timeouts.request = "2s"\ntimeouts.heartbeat = "100ms"\ntimeouts.missed_pings = 2'),
        backend("waiting", fixture, ["--crash-tool"], 'backoff = { min = "20s", max = "20s", jitter = 0.0 }'),
        backend("unused", fixture, (), 'pool.idle_timeout = "3s"\npool.cleanup_interval = "200ms"'),
        backend("littering", fixture, ["--crash-tool", "--grandchild-setsid", "--garbage"], quick),
        backend("saved", fixture, ["--crash-tool", "--read-only", "crash", "--count-starts", str(starts), "--only-first", "1"], quick),
        backend("unsaved", fixture, ["--crash-tool", "--read-only", "crash"], quick),
        backend("slow", fixture, ["--slow", "150"], "limits.max_in_flight = 2"),
        backend("reserved", fixture, (), "warm = 1"),
    ]
    return "\n".join(parts)


def small_config(fixture):
    """An instance that is full, and drained in the end."""
    return "[limits]\nmax_connections = 5\n" + backend("tight", fixture)
