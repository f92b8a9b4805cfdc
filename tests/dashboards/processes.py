"""The programs that are started, and what they are asked."""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request


def eventually(what, probe, patience=30):
    """The first true answer of `probe`."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            found = probe()
        except (OSError, urllib.error.URLError):
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not within {patience} s: {what}")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode()


class Program:
    """One that ends with its `with` block."""

    def __init__(self, name, arguments, folder, **more):
        self.name, self.out, self.err = name, folder / f"{name}.out", folder / f"{name}.err"
        with open(self.out, "w") as out, open(self.err, "w") as err:
            self.process = subprocess.Popen(arguments, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=folder, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self, pattern):
        """What the pattern finds in its output."""

        def look():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.err.read_text()[-2000:]}")
            return re.search(pattern, self.out.read_text() + self.err.read_text())

        return eventually(f"{self.name} says {pattern}", look).group(1)


class Service(Program):
    """mcpvisor with its own folder and ports."""

    def __init__(self, name, binary, config, folder, settings=()):
        self.config = folder / f"{name}.toml"
        self.config.write_text(config)
        arguments = [binary, "serve", "--config", self.config, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        for setting in (f"gateway.state_dir={folder / name}", *settings):
            arguments += ["--set", setting]
        super().__init__(name, arguments, folder)
        self.main = self.said(r"serving +http://(\S+)")
        self.admin = self.said(r"admin +http://([^/\s]+)/")
        eventually(f"{name} is ready", lambda: get(f"http://{self.main}/readyz"))

    def metrics(self):
        return get(f"http://{self.admin}/metrics")

    def connections(self):
        return json.loads(get(f"http://{self.admin}/api/v1/connections"))["connections"]

    def admin_post(self, path):
        request = urllib.request.Request(f"http://{self.admin}/api/v1/{path}", method="POST", data=b"")
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code


class Prometheus(Program):
    """One that scrapes and evaluates each second."""

    def __init__(self, binary, config, folder):
        file = folder / "prometheus.yml"
        file.write_text(config)
        # With port 0 it would not say which one it has got.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % probe.getsockname()[1]
        arguments = [binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}",
                     f"--web.listen-address={self.address}", "--log.level=warn"]
        super().__init__("prometheus", arguments, folder)
        eventually("prometheus is ready", lambda: get(f"http://{self.address}/-/ready"))

    def ask(self, path, **parameters):
        """The answer of its API; a wrong expression is an error."""
        data = urllib.parse.urlencode(parameters, doseq=True)
        try:
            answer = get(f"http://{self.address}/api/v1/{path}?{data}")
        except urllib.error.HTTPError as error:
            raise ValueError(f"{error.read().decode()[:300]}: {parameters}") from None
        return json.loads(answer)["data"]

    def instant(self, expr, at):
        """[(labels, value)], as `ranged` the series with points."""
        return [(one["metric"], float(one["value"][1])) for one in self.ask("query", query=expr, time=at)["result"]]

    def ranged(self, expr, start, end, step):
        """[(labels, [(time, value)])]"""
        found = self.ask("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [(one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in found]


def promtool(binary, *arguments, stdin=None):
    """Runs it; what it says if it finds fault."""
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, input=stdin, timeout=120)
    said = (done.stdout + done.stderr).strip()
    return said if done.returncode or (stdin is not None and said) else ""
