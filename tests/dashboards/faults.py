"""What is done to the service, and what it must count for it."""

import http.client
import threading
import time

from backends import KEY
from mcp import Refused, Session, outcome
from processes import eventually


class Run:
    """The faults of one run; each is a method of its own that notes what must be counted."""

    def __init__(self, service, small, folder):
        self.service, self.small, self.folder = service, small, folder
        # Of a selector (without job and instance) the number.
        self.expected, self.at_least = {}, {}
        self.failures, self.over = [], threading.Event()
        self.kept = []

    def open(self, name):
        session = Session(self.service.main, name, KEY)
        self.kept.append(session)
        return session

    def must(self, answer, wanted):
        if outcome(answer) != wanted:
            raise AssertionError(f"{wanted} was expected: {answer}")

    def refused(self, name, wanted):
        try:
            self.open(name)
        except Refused as refusal:
            self.must(refusal.error, wanted)
            return
        raise AssertionError(f"{name} was served; {wanted} was expected")

    def counts(self, name, number, **labels):
        self.expected[name + "{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}"] = number

    def connection(self, name):
        return next((one for one in self.service.connections() if one["backend"] == name), None)

    def in_phase(self, name, phase):
        def reached():
            one = self.connection(name)
            return (one["phase"] if one else "gone") == phase

        eventually(f"{name} is {phase}", reached)

    def steadily(self):
        """What goes on meanwhile must not be seen to suffer."""
        session, calls = self.open("steady"), 0
        while not self.over.wait(0.1):
            self.must(session.call("echo", message="x"), "ok")
            calls += 1
            if calls % 10 == 0:
                self.must(session.request("tools/list"), "ok")
        for labels in ({"kind": "backend_lost"}, {"kind": "timeout"}, {"kind": "overloaded"}):
            self.counts("mcpvisor_request_errors_total", 0, backend="steady", **labels)
        self.counts("mcpvisor_restarts_total", 0, backend="steady")
        self.at_least['mcp_server_operation_duration_seconds_count{backend="steady"}'] = calls

    def ended_sessions(self):
        for _ in range(3):
            session = Session(self.service.main, "steady", KEY)
            time.sleep(1)
            session.delete()
        self.counts("mcp_server_session_duration_seconds_count", 3, backend="steady")

    def crash_to_the_limit(self):
        session = self.open("crashy")
        for _ in range(250):
            self.must(session.call("echo", message="x"), "ok")
            time.sleep(0.04)
        for how in ({"code": 3}, {"signal": 9}, {"code": 0}, {"code": 1}):
            self.must(session.call("crash", **how), "backend_lost")
        self.in_phase("crashy", "stopped")
        for _ in range(30):
            self.must(session.call("echo", message="x"), "backend_unavailable")
            time.sleep(0.1)
        self.counts("mcpvisor_restarts_total", 2, backend="crashy", reason="exit")
        self.counts("mcpvisor_restarts_total", 1, backend="crashy", reason="signal")
        self.counts("mcpvisor_faults_total", 4, backend="crashy")
        self.counts("mcpvisor_max_error_stops_total", 1, backend="crashy")
        self.counts("mcpvisor_fatal_stops_total", 0, backend="crashy")
        self.counts("mcpvisor_requests_lost_total", 4, backend="crashy")
        self.counts("mcpvisor_request_errors_total", 30, backend="crashy", kind="backend_unavailable")
        self.counts("mcpvisor_connections", 1, backend="crashy", phase="stopped")
        self.counts("mcpvisor_exits_total", 4, backend="crashy", kind="unexpected")

    def crash_near_the_limit(self):
        session = self.open("nearing")
        for _ in range(6):
            self.must(session.call("echo", message="x"), "ok")
            self.must(session.call("crash", code=1), "backend_lost")
            time.sleep(1)
        self.must(session.call("echo", message="x"), "ok")
        self.counts("mcpvisor_restarts_total", 6, backend="nearing", reason="exit")
        self.counts("mcpvisor_requests_lost_total", 6, backend="nearing")
        self.counts("mcpvisor_errors_current", 6, backend="nearing")
        self.counts("mcpvisor_errors_limit", 7, backend="nearing")
        self.counts("mcpvisor_connections_near_errors_limit", 1, backend="nearing")
        self.counts("mcpvisor_max_error_stops_total", 0, backend="nearing")
        self.counts("mcpvisor_replays_total", 6, backend="nearing", result="ok")
        self.counts("mcpvisor_recovery_duration_seconds_count", 6, backend="nearing")

    def fail_to_launch(self):
        for _ in range(3):
            self.refused("broken", "launch_failed")
        is_open = 'mcpvisor_breaker_open{backend="broken"} 1'
        eventually("the breaker opens", lambda: is_open in self.service.metrics())
        for _ in range(10):
            self.refused("broken", "backend_unavailable")
            time.sleep(0.5)
        self.counts("mcpvisor_launches_total", 3, backend="broken", result="handshake_failed")
        self.counts("mcpvisor_launches_total", 0, backend="broken", result="ok")
        self.counts("mcpvisor_breaker_open", 1, backend="broken")
        self.counts("mcpvisor_restarts_total", 0, backend="broken")
        self.counts("mcpvisor_restarts_abandoned_total", 3, backend="broken", reason="never_initialised")
        self.counts("mcpvisor_request_errors_total", 3, backend="broken", kind="launch_failed")
        self.counts("mcpvisor_request_errors_total", 10, backend="broken", kind="backend_unavailable")

    def vanish(self):
        session = self.open("vanished")
        (self.folder / "vanishing").unlink()
        self.must(session.call("crash", code=1), "backend_lost")
        self.in_phase("vanished", "stopped")
        self.must(session.call("echo", message="x"), "backend_unavailable")
        self.counts("mcpvisor_fatal_stops_total", 1, backend="vanished")
        self.counts("mcpvisor_max_error_stops_total", 0, backend="vanished")
        self.counts("mcpvisor_launches_total", 1, backend="vanished", result="spawn_failed")

    def hang(self):
        session = self.open("hanging")
        self.must(session.call("silent"), "timeout")
        eventually("it is replaced", lambda: (self.connection("hanging") or {}).get("restarts") == 1)
        self.must(session.call("echo", message="x"), "ok")
        self.counts("mcpvisor_restarts_total", 1, backend="hanging", reason="unresponsive")
        self.counts("mcpvisor_request_errors_total", 1, backend="hanging", kind="timeout")
        self.counts("mcpvisor_requests_lost_total", 0, backend="hanging")

    def wait_for_a_restart(self):
        session = self.open("waiting")
        for _ in range(2):
            self.must(session.call("crash", code=1), "backend_lost")
        self.in_phase("waiting", "backing_off")
        self.must(session.call("echo", message="x"), "ok")
        self.counts("mcpvisor_restarts_total", 2, backend="waiting", reason="exit")
        self.at_least['mcpvisor_queue_wait_seconds_sum{backend="waiting"}'] = 10

    def use_rarely(self):
        session = self.open("unused")
        for _ in range(2):
            self.must(session.call("echo", message="x"), "ok")
            self.in_phase("unused", "gone")
            time.sleep(1)
        self.counts("mcpvisor_idle_evictions_total", 2, backend="unused")
        self.counts("mcpvisor_restarts_total", 0, backend="unused")
        self.counts("mcpvisor_exits_total", 0, backend="unused", kind="unexpected")
        self.counts("mcpvisor_launches_total", 2, backend="unused", result="ok")

    def litter(self):
        session = self.open("littering")
        self.must(session.call("echo", message="x"), "ok")
        self.must(session.call("crash", code=1), "backend_lost")
        self.must(session.call("echo", message="x"), "ok")
        self.at_least["mcpvisor_orphans_reaped_total{}"] = 1
        self.at_least['mcpvisor_noise_lines_total{backend="littering"}'] = 3

    def save(self):
        session = self.open("saved")
        session.request("tools/list")  # says which tools may be called twice
        # The second server has no such tool, and says so.
        answer = session.call("crash", code=1)
        if outcome(answer) in ("backend_lost", "backend_unavailable"):
            raise AssertionError(f"was not sent a second time: {answer}")
        lost = self.open("unsaved")
        lost.request("tools/list")
        self.must(lost.call("crash", code=1), "backend_lost")
        self.must(lost.call("echo", message="x"), "ok")
        self.counts("mcpvisor_retries_total", 1, backend="saved", result="ok")
        self.counts("mcpvisor_requests_lost_total", 0, backend="saved")
        self.counts("mcpvisor_retries_total", 1, backend="unsaved", result="failed")
        self.counts("mcpvisor_requests_lost_total", 1, backend="unsaved")
        self.counts("mcpvisor_restarts_total", 2, backend="unsaved", reason="exit")

    def take_long(self):
        session = self.open("slow")
        session.request("tools/list")  # names its tools
        for tool in ("echo", "sleep"):  # so that their series are there before what must be seen
            self.must(session.call(tool, message="x", ms=1), "ok")
        time.sleep(2)
        long = in_thread(self, lambda: self.must(session.call("sleep", ms=31_000), "ok"))
        others = [in_thread(self, lambda: [self.must(session.call("echo", message="x"), "ok") for _ in range(10)]) for _ in range(3)]
        for thread in (long, *others):
            thread.join()
        self.at_least['mcpvisor_queue_wait_seconds_count{backend="slow"}'] = 5

    def use_the_reserve(self):
        is_warm = 'mcpvisor_spares{backend="reserved",state="warm"} 1'
        eventually("one is in reserve", lambda: is_warm in self.service.metrics())
        self.open("reserved")
        self.at_least['mcpvisor_spares_used_total{backend="reserved",result="ok"}'] = 1

    def come_without_a_key(self):
        for key in ("", "", "", "wrong", "wrong"):
            try:
                Session(self.service.main, "steady", key)
            except Refused as refusal:
                assert refusal.status == 401, refusal
        self.counts("mcpvisor_auth_failures_total", 3, reason="missing")
        self.counts("mcpvisor_auth_failures_total", 2, reason="invalid")

    def reload_a_mistake(self):
        right = self.service.config.read_text()
        self.service.config.write_text(right + "\nthis is a mistake")
        refused = self.service.admin_post("reload")
        assert refused >= 400, refused
        time.sleep(3)
        self.service.config.write_text(right)
        assert self.service.admin_post("reload") == 200
        self.counts("mcpvisor_config_reloads_total", 1, result="failed")
        self.counts("mcpvisor_config_reloads_total", 1, result="unchanged")
        self.counts("mcpvisor_config_last_reload_successful", 2)  # of both instances together

    def fill(self):
        sessions = [Session(self.small.main, "tight") for _ in range(5)]
        for _ in range(3):
            try:
                Session(self.small.main, "tight")
            except Refused as refusal:
                self.must(refusal.error, "overloaded")
                continue
            raise AssertionError("a sixth session was opened")
        self.counts("mcpvisor_request_errors_total", 3, backend="tight", kind="overloaded")
        return sessions

    def drain(self, sessions):
        """The end of the small instance, with a call in flight."""
        slept = []
        call = in_thread(self, lambda: slept.append(sessions[0].call("sleep", ms=5000)))
        is_there = 'mcpvisor_connections{backend="tight",phase="ready"} 5'
        eventually("all are ready", lambda: is_there in self.small.metrics())
        time.sleep(1)
        self.small.process.terminate()
        eventually("it drains", lambda: status(self.small.main, "/readyz") == 503)
        for session in sessions[1:3]:
            self.must(session.call("echo", message="x"), "shutting_down")
        call.join()
        self.must(slept[0], "ok")
        self.small.process.wait(30)
        self.counts("mcpvisor_request_errors_total", 2, backend="tight", kind="shutting_down")

    def all(self):
        """Everything at once; what failed stands in `failures` then."""
        every = [self.ended_sessions, self.crash_to_the_limit, self.crash_near_the_limit, self.fail_to_launch, self.vanish, self.hang,
                 self.wait_for_a_restart, self.use_rarely, self.litter, self.save, self.take_long, self.use_the_reserve,
                 self.come_without_a_key, self.reload_a_mistake]
        steady = in_thread(self, self.steadily)
        sessions = self.fill()
        threads = [in_thread(self, one) for one in every]
        for thread in threads:
            thread.join()
        self.drain(sessions)
        self.over.set()
        steady.join()


def in_thread(run, what):
    def guarded():
        try:
            what()
        except Exception as error:  # told at the end, with the others
            run.failures.append(f"{getattr(what, '__name__', 'a call')}: {error!r}"[:600])

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread


def status(address, path):
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()

