"""Why was a server restarted, stopped or refused, and since when?"""

from dashboard import dashboard, row
from panels import (BLUE, GREEN, GREY, ORANGE, RED, SERVICE, YELLOW, coloured, limit, lines, mapped, of, quantile, query, ranking,
                    rate, stat, steps, timeline)
from states import MAPPINGS, MEANING, state

RESTARTS = "mcpvisor_restarts_total"
FEW_OR_MANY = steps(YELLOW, (5, ORANGE), (20, RED))
REASONS = coloured({"exit": RED, "signal": ORANGE, "unresponsive": "purple", "launch_timeout": YELLOW, "handshake": YELLOW, "manual": BLUE,
                    "reload": GREY})


def per_minute(name, by, more="", scope=None):
    scope = {} if scope is None else {"scope": scope}
    return f"sum by ({by}) ({rate(name, more, **scope)}) * 60"


def shown(name, by, more=""):
    """How often within the time shown; what did not happen is left out."""
    return f"sort_desc(sum by ({by}) (increase({of(name, more)}[$__range])) > 0.5)"


def since_when():
    errors, most = (f"max by (backend) ({of(name)})" for name in ("mcpvisor_errors_current", "mcpvisor_errors_limit"))
    return row(
        "Which backend, since when?",
        (8, (24, timeline("State of the backends", MEANING + " The vertical lines are restarts and stops.", state("backend"),
                          "{{backend}}", MAPPINGS, "no backend"))),
        (8,
         (12, lines("Errors against the limit", "The highest error count of one connection. One that passes the limit "
                    "(max_error_count; dashed from half of it on) is stopped; the count reads zero again after a quiet while "
                    "(reset_after).", "none",
                    [query(errors, "{{backend}}"),
                     query(f"{most} and on (backend) ({errors} >= 0.5 * {most})", "limit {{backend}}")], [limit()])),
         (12, lines("Connections near the limit", "Connections whose error count is at 80 % of the limit or more.", "none",
                    [query(f"sum by (backend) ({of('mcpvisor_connections_near_errors_limit')})", "{{backend}}")]))))


def why():
    stops = [query(f"sum by (backend) ({rate('mcpvisor_max_error_stops_total')}) * 60", "{{backend}}: too many errors"),
             query(f"sum by (backend) ({rate('mcpvisor_fatal_stops_total')}) * 60", "{{backend}}: no restart helps")]
    next_launch = (f"max by (backend) (({of('mcpvisor_next_launch_timestamp_seconds')} > 0) - time()) > 0")
    return row(
        "Why?",
        (9,
         (8, ranking("Faults in the time shown", "What went wrong, by backend and reason; each counts one error.", "none",
                     shown("mcpvisor_faults_total", "backend, reason"), "{{backend}}: {{reason}}", FEW_OR_MANY, decimals=0)),
         (8, ranking("Restarts in the time shown", "Servers started anew, by backend and reason; manual and reload were ordered.", "none",
                     shown(RESTARTS, "backend, reason"), "{{backend}}: {{reason}}", FEW_OR_MANY, decimals=0)),
         (8, ranking("Refused in the time shown", "What clients were told, by backend and kind.", "none",
                     shown("mcpvisor_request_errors_total", "backend, kind"), "{{backend}}: {{kind}}", FEW_OR_MANY, decimals=0))),
        (8,
         (8, lines("Restarts by backend", "Per minute.", "cpm", [query(per_minute(RESTARTS, "backend"), "{{backend}}")], stacked=True)),
         (8, lines("Restarts by reason", "Per minute.", "cpm", [query(per_minute(RESTARTS, "reason") + " > 0", "{{reason}}")],
                   REASONS, stacked=True, bars=True)),
         (8, lines("Stops", "Connections per minute that were stopped: at the limit of errors, or at once since no restart can help "
                   "(command not found, credentials refused). The next request after the cooldown starts them.", "cpm", stops,
                   stacked=True))),
        (8,
         (8, lines("Backoff", "The longest pause that a connection makes now before it is started anew.", "s",
                   [query(f"max by (backend) ({of('mcpvisor_backoff_seconds')})", "{{backend}}")])),
         (8, lines("Next launch", "How long until the next server is started that waits out its backoff; nothing: none waits.", "s",
                   [query(next_launch, "{{backend}}")])),
         (8, lines("Open breakers", "Too many servers of these backends failed one after the other, and none is started for a while.",
                   "none", [query(f"max by (backend) ({of('mcpvisor_breaker_open')}) > 0", "{{backend}}")], high=1,
                   mappings=mapped({0: ("closed", GREEN), 1: ("open", RED)}), none="all closed"))))


def launches():
    results = coloured({"ok": GREEN, "cancelled": GREY, "spawn_failed": RED, "handshake_failed": ORANGE, "timeout": "purple"})
    half = coloured({"p50": GREEN, "p99": RED})

    def both(name):
        return [query(quantile(q, name), f"p{int(q * 100)}") for q in (0.5, 0.99)]

    return row(
        "Launches and recovery",
        (8,
         (8, lines("Launches by result", "Per minute: first launches, restarts, and those after an eviction.", "cpm",
                   [query(per_minute("mcpvisor_launches_total", "result"), "{{result}}")], results, stacked=True)),
         (8, lines("Time to launch", "From the launch ticket to the answer to initialize.", "s", both("mcpvisor_launch_duration_seconds"),
                   half, log=True)),
         (8, lines("Time to recover", "From the death of a server to ready again, handshake replayed. The dashed line is the aim, "
                   "0.5 s.", "s", both("mcpvisor_recovery_duration_seconds"), half,
                   thresholds=steps("transparent", (0.5, ORANGE)), log=True))),
        (8,
         (8, lines("Replayed handshakes", "Per minute: in full (ok), without a subscription or log level that the server refused "
                   "(partial), or not (failed: the session ended or the server failed again).", "cpm",
                   [query(per_minute("mcpvisor_replays_total", "result"), "{{result}}")],
                   coloured({"ok": GREEN, "partial": YELLOW, "failed": RED}), stacked=True)),
         (8, lines("Abandoned restarts", "Restarts per minute after a fault that never began, by what came before them.", "cpm",
                   [query(per_minute("mcpvisor_restarts_abandoned_total", "reason"), "{{reason}}")], stacked=True)),
         (8, lines("Reserve", "Processes kept in reserve (warm), by state; those per minute that were given to a session, or died.",
                   "none",
                   [query(f"sum by (state) ({of('mcpvisor_spares')})", "{{state}}"),
                    query(per_minute("mcpvisor_spares_used_total", "result"), "given per minute: {{result}}"),
                    query(f"sum({rate('mcpvisor_spares_lost_total')}) * 60", "died per minute")],
                   coloured({"warm": GREEN, "starting": BLUE, "given per minute: died": ORANGE, "died per minute": RED})))))


def lives():
    exits = per_minute("mcpvisor_exits_total", "kind")
    orphans = [query(per_minute("mcpvisor_orphans_reaped_total", "instance", scope=SERVICE), "{{instance}}")]
    return row(
        "How servers end",
        (8,
         (8, lines("Exits", "Processes per minute that ended, as ordered (expected) or not.", "cpm", [query(exits, "{{kind}}")],
                   coloured({"expected": GREEN, "unexpected": RED}), stacked=True)),
         (8, lines("Lifetime", "How long servers had lived when they ended, from their launch: half of them less than p50.", "s",
                   [query(quantile(q, "mcpvisor_connection_lifetime_seconds"), f"p{int(q * 100)}") for q in (0.1, 0.5, 0.9)],
                   coloured({"p10": RED, "p50": YELLOW, "p90": GREEN}), log=True)),
         (8, lines("Idle evictions", "Connections per minute that were closed because nobody used them (idle_timeout); their sessions "
                   "live on.", "cpm", [query(per_minute("mcpvisor_idle_evictions_total", "backend"), "{{backend}}")], stacked=True))),
        (8,
         (8, lines("Orphans", "Processes per minute that a server had left behind and that were ended.", "cpm", orphans)),
         (8, lines("Noise", "Lines per minute on a server's standard output that are no JSON-RPC: it prints where it must not.", "cpm",
                   [query(per_minute("mcpvisor_noise_lines_total", "backend"), "{{backend}}")])),
         (8, lines("Session length", "Half of the sessions that ended were shorter: those of clients, and those with servers, of which "
                   "a client's session may have several.", "s",
                   [query(quantile(0.5, "mcp_server_session_duration_seconds"), "of clients"),
                    query(quantile(0.5, "mcp_client_session_duration_seconds"), "with servers")],
                   coloured({"of clients": GREEN, "with servers": BLUE}), log=True))))


def processes():
    return row(
        "Processes of the servers",
        (8,
         (5, lines("Processes", "Servers and all they started.", "none",
                   [query(f"sum by (backend) ({of('mcpvisor_backend_processes')})", "{{backend}}")])),
         (5, lines("Memory", "Resident memory of them.", "bytes",
                   [query(f"sum by (backend) ({of('mcpvisor_backend_memory_bytes')})", "{{backend}}")])),
         (5, lines("CPU", "Cores used by them.", "none",
                   [query(f"sum by (backend) ({rate('mcpvisor_backend_cpu_seconds_total')})", "{{backend}}")])),
         (5, lines("File descriptors", "Open in them.", "none",
                   [query(f"sum by (backend) ({of('mcpvisor_backend_open_fds')})", "{{backend}}")])),
         (4, stat("Looked at", "How long ago they were looked at, which is every 10 seconds.", "s",
                  [query(f"max({of('mcpvisor_backend_sample_age_seconds', scope=SERVICE)})")], steps(GREEN, (30, YELLOW), (60, RED)),
                  spark=False))))


def actors():
    def p99(name):
        return [query(quantile(0.99, name, by="actor", scope=SERVICE), "{{actor}}")]

    return row(
        "mcpvisor inside",
        (8,
         (8, lines("Actors", "Actors that live, by kind.", "none",
                   [query(f"sum by (actor) ({of('mcpvisor_actors', scope=SERVICE)})", "{{actor}}")], log=True)),
         (8, lines("Mailboxes", "Messages that wait in the mailboxes of actors, by kind. A mailbox is near empty at all times (the one "
                   "of the registry is the scrape's own); one that is not is a bug or a machine without time.", "none",
                   [query(f"sum by (actor) ({of('mcpvisor_mailbox_messages', scope=SERVICE)})", "{{actor}}")])),
         (8, lines("Failed actors", "Actors per minute that failed by a bug of mcpvisor and were replaced, and guard processes.",
                   "cpm",
                   [query(per_minute("mcpvisor_supervisor_restarts_total", "actor", scope=SERVICE), "{{actor}}"),
                    query(per_minute("mcpvisor_guard_restarts_total", "job", scope=SERVICE), "guard")]))),
        (8,
         (12, lines("Wait in a mailbox, p99", "From sent to handled.", "s", p99("mcpvisor_mailbox_wait_seconds"), log=True)),
         (12, lines("Time to handle a message, p99", "An actor never waits for I/O in it.", "s",
                    p99("mcpvisor_actor_handle_duration_seconds"), log=True))),
        (8,
         (6, lines("Runtime", "Share of the time that the workers of the runtime are at work; at 1 requests wait for CPU.", "percentunit",
                   [query(f"{rate('mcpvisor_runtime_busy_seconds_total', scope=SERVICE)} / {of('mcpvisor_runtime_workers', scope=SERVICE)}",
                          "{{instance}}")], high=1)),
         (6, lines("Tasks", "Tasks in the runtime, and those that wait for a worker.", "none",
                   [query(f"sum({of('mcpvisor_runtime_tasks', scope=SERVICE)})", "tasks"),
                    query(f"sum({of('mcpvisor_runtime_queued_tasks', scope=SERVICE)})", "waiting")],
                   coloured({"tasks": BLUE, "waiting": RED}))),
         (6, lines("Reloads", "Reloads of the configuration per minute, by result; one that failed left the earlier one in effect.", "cpm",
                   [query(per_minute("mcpvisor_config_reloads_total", "result", scope=SERVICE), "{{result}}")],
                   coloured({"ok": GREEN, "unchanged": GREY, "failed": RED}))),
         (6, lines("Dropped log lines", "Log lines per minute that were dropped because whoever reads the log is too slow.", "cpm",
                   [query(per_minute("mcpvisor_log_lines_dropped_total", "instance", scope=SERVICE), "{{instance}}")]))))


def build():
    return dashboard(
        "mcpvisor-supervision",
        "What mcpvisor did to keep its servers running, and why. Made by grafana/generate; see grafana/README.md.",
        [since_when(), why(), launches(), lives(), processes(), actors()],
    )
