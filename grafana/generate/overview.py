"""Is it well? Which backend? Is it the load?"""

from dashboard import dashboard, row
from panels import (BLUE, GREEN, GREY, ORANGE, RED, SERVICE, YELLOW, by_name, by_regex, coloured, increase, legend_only, lines, mapped,
                    nothing, of, quantile, query, ranking, rate, stat, steps, table, timeline)
from states import MAPPINGS, MEANING, state

SERVER = "mcp_server_operation_duration_seconds"
CLIENT = "mcp_client_operation_duration_seconds"
# What a user takes for a failure. Ended sessions and a drain are in order.
FAILURES = 'kind=~"backend_lost|backend_unavailable|timeout|overloaded|launch_failed"'
BY_HAND = 'reason!~"manual|reload"'
READY = 'phase="ready"'
SAVED, NOT_SAVED = 'result="ok"', 'result="failed"'
NOT_READY = 'phase=~"launching|backing_off|stopped"'
TOOLS = 'gen_ai_tool_name!=""'
CALLS = 'mcp_method_name="tools/call"'
# A first request may wait for a download of its server: its time says nothing of the others.
NO_LAUNCH = 'mcp_method_name!="initialize"'
OURS = " and on (job, instance) mcpvisor_build_info"


def failing(by=""):
    by = f" by ({by})" if by else ""
    asked = f"sum{by} ({rate(SERVER + '_count', window='5m')})"
    # The histogram has no series of a kind of request before the first one: what is counted of them may be too little.
    return f"clamp_max(sum{by} ({rate('mcpvisor_request_errors_total', FAILURES, window='5m')}) / {asked}, 1)"


def firing(more=""):
    # Not every alert has all labels.
    return 'ALERTS{alertname=~"Mcpvisor.+",alertstate="firing",job=~"$job|",instance=~"$instance|",backend=~"$backend|"' + more + "}"


def own(name):
    """A metric of the process itself; other programs export the same names."""
    return of(name, scope=SERVICE) + OURS


def well():
    known = f"{of('up', scope=SERVICE)} and on (job, instance) last_over_time(mcpvisor_build_info[1d])"
    instances = [query(f"count(({known}) == 1) or vector(0)", "up"), query(f"count(({known}) == 0) or vector(0)", "down")]
    alerts = f"count({firing()}) or vector(0)"
    not_ready = ("Connections that launch, back off or are stopped. Launching is ordinary for a moment; look into the table below "
                 "if the number stays.")
    return [
        (3, stat("Alerts", "Alerts of grafana/alerts.yml that fire now; which, stands below. Each has a section in "
                 "grafana/README.md.", "none", [query(alerts)], steps(GREEN, (1, RED)), spark=False)),
        (3, stat("Instances", "Instances of mcpvisor that Prometheus reaches, and those seen within a day that it does not.", "none",
                 instances, steps("text"), spark=False, names=True,
                 overrides=[by_name("down", {"thresholds": steps(GREEN, (1, RED))})])),
        (3, stat("Ready", "Connections to servers that are ready: one per session, or one per backend that is shared.", "none",
                 [query(f"sum({of('mcpvisor_connections', READY)})")], steps(GREEN))),
        (3, stat("Not ready", not_ready, "none", [query(f"sum({of('mcpvisor_connections', NOT_READY)})")],
                 steps(GREEN, (1, YELLOW), (10, RED)))),
        (3, stat("Restarts, 1 h", "Servers started anew after a fault within the last hour; those by hand or by a reload are left out.",
                 "none", [query(f"sum({increase('mcpvisor_restarts_total', BY_HAND)})")], steps(GREEN, (0.5, YELLOW), (20, RED)),
                 decimals=0)),
        (3, stat("Requests", "Requests of clients that were answered, per second, over 5 minutes.", "reqps",
                 [query(f"sum({rate(SERVER + '_count', window='5m')})")], steps("text"))),
        (3, stat("Failing", "Share of the requests that mcpvisor itself had to answer with an error (lost, unavailable, timeout, "
                 "overloaded, launch failed), over 5 minutes. Errors that a server answers are its own and not in it.", "percentunit",
                 [query(failing())], steps(GREEN, (0.005, YELLOW), (0.05, RED)), mappings=nothing("no traffic"), decimals=2)),
        (3, stat("p99", "99 of 100 requests were answered within this, over 5 minutes. Without initialize, which may start a "
                 "server.", "s", [query(quantile(0.99, SERVER, NO_LAUNCH, window="5m"))], steps("text"),
                 mappings=nothing("no traffic"))),
    ]


def backends():
    phases = f"sum by (backend) ({of('mcpvisor_connections', READY)})"
    small = {"custom.width": 92}
    coloured_text = {"custom.cellOptions": {"type": "color-text"}}
    columns = [
        ("State", state("backend"), {"mappings": MAPPINGS, "custom.cellOptions": {"type": "color-background"}, "custom.width": 120,
                                     "thresholds": steps(GREY)}),
        ("Ready", phases, small),
        ("Not ready", f"sum by (backend) ({of('mcpvisor_connections', NOT_READY)})",
         small | coloured_text | {"thresholds": steps("text", (1, ORANGE))}),
        ("Restarts 1 h", f"sum by (backend) ({increase('mcpvisor_restarts_total', BY_HAND)})",
         small | coloured_text | {"decimals": 0, "thresholds": steps("text", (0.5, YELLOW), (20, RED))}),
        ("Lost 1 h", f"sum by (backend) ({increase('mcpvisor_requests_lost_total')})",
         small | coloured_text | {"decimals": 0, "thresholds": steps("text", (0.5, YELLOW), (20, RED))}),
        ("Errors", f"max by (backend) ({of('mcpvisor_errors_current')})", small),
        ("Limit", f"max by (backend) ({of('mcpvisor_errors_limit')})", {"custom.width": 70}),
        ("Of the limit", f"max by (backend) ({of('mcpvisor_errors_current')} / clamp_min({of('mcpvisor_errors_limit')}, 1))",
         {"unit": "percentunit", "min": 0, "max": 1, "custom.width": 140, "thresholds": steps(GREEN, (0.8, ORANGE), (1, RED)),
          "custom.cellOptions": {"type": "gauge", "mode": "basic"}}),
        ("Requests", f"sum by (backend) ({rate(SERVER + '_count', window='5m')})", {"unit": "reqps", "decimals": 2, "custom.width": 110}),
        ("Failing", failing("backend"), small | coloured_text | {"unit": "percentunit", "decimals": 1,
                                                                 "thresholds": steps("text", (0.005, YELLOW), (0.05, RED))}),
        ("p99", quantile(0.99, SERVER, NO_LAUNCH, "backend", window="5m"), {"unit": "s", "custom.width": 90}),
        ("Memory", f"sum by (backend) ({of('mcpvisor_backend_memory_bytes')})", {"unit": "bytes", "custom.width": 110}),
        ("Last restart", f"max by (backend) ({of('mcpvisor_last_restart_timestamp_seconds')} > 0) * 1000", {"unit": "dateTimeFromNow"}),
    ]
    target = ("/d/mcpvisor-supervision?var-backend=${__value.text}&${datasource:queryparam}&${job:queryparam}&"
              "${instance:queryparam}&${__url_time_range}")
    key = {"links": [{"title": "Why? Supervision of ${__value.text}", "url": target}], "custom.minWidth": 120}
    return table("Backends", "Now, of all instances shown, the worst first; a name leads to its supervision. " + MEANING +
                 " Errors: the highest count of one connection; it is stopped once that passes the limit (max_error_count). "
                 "Failing is too high at first where a backend has only just been used.",
                 columns, "backend", key)


def alerts():
    severities = firing(',severity="warning"'), firing(',severity="critical"')
    known = mapped({1: ("warning", ORANGE), 2: ("critical", RED)})
    return timeline("Alerts that fire", "Since when which alert fires; grafana/README.md says under its name what it means and what helps.",
                    f"max by (alertname, instance, backend) ({severities[0]} or 2 * {severities[1]})",
                    "{{alertname}} {{backend}} {{instance}}", known, "no alert fired")


def traffic():
    answered = f"sum by (backend) ({rate(SERVER + '_count')})"
    kinds = coloured({"backend_lost": RED, "backend_unavailable": ORANGE, "launch_failed": YELLOW, "timeout": "purple",
                      "overloaded": BLUE, "session_ended": GREY, "shutting_down": "#555555"})
    errors = f"sum by (kind) ({rate('mcpvisor_request_errors_total')})"
    latency = [query(quantile(q, SERVER, NO_LAUNCH), f"p{int(q * 100)}") for q in (0.5, 0.9, 0.99)]

    def mean(name):
        # Other methods mcpvisor answers or asks by itself, in part.
        return f"sum({rate(name + '_sum', CALLS)}) / sum({rate(name + '_count', CALLS)})"

    slowest = quantile(0.99, SERVER, TOOLS, "backend, gen_ai_tool_name", window="$__range")
    slowest = f"sort_desc(topk(10, {slowest} >= 0))"
    lost = [query(f"sum({rate('mcpvisor_requests_lost_total')}) * 60", "lost"),
            query(f"sum({rate('mcpvisor_retries_total', SAVED)}) * 60", "saved by a second try"),
            query(f"sum({rate('mcpvisor_retries_total', NOT_SAVED)}) * 60", "second try failed")]
    return row(
        "Traffic",
        (8,
         (8, lines("Requests by backend", "Requests of clients that were answered, per second.", "reqps",
                   [query(answered, "{{backend}}")], stacked=True)),
         (8, lines("Errors by kind", "Errors of mcpvisor's own, per second: what the README calls backend_lost and so on. "
                   "shutting_down and session_ended are in order.", "reqps", [query(errors, "{{kind}}")], kinds, stacked=True)),
         (8, lines("Time to answer", "From the last byte of a request to its answer, without initialize.", "s", latency,
                   coloured({"p50": GREEN, "p90": YELLOW, "p99": RED}), log=True))),
        (8,
         (8, lines("p99 by backend", "99 of 100 requests were answered within this, without initialize.", "s",
                   [query(quantile(0.99, SERVER, NO_LAUNCH, "backend"), "{{backend}}")], log=True)),
         (8, lines("Requests by method", "Requests of clients that were answered, per second, by method of the protocol.", "reqps",
                   [query(f"sum by (mcp_method_name) ({rate(SERVER + '_count')})", "{{mcp_method_name}}")], stacked=True)),
         (8, lines("Lost and saved", "Requests per minute that a server had when it died: answered backend_lost, or sent once more "
                   "where that is safe (lists, reads, tools marked so).", "cpm", lost,
                   coloured({"lost": RED, "saved by a second try": GREEN, "second try failed": ORANGE})))),
        (8,
         (6, lines("What mcpvisor adds", "Mean time of a tools/call as the client sees it, less that which the server took. What "
                   "waits for a launch or in a queue is in it.", "s", [query(f"{mean(SERVER)} - {mean(CLIENT)}", "added")],
                   coloured({"added": BLUE}), low=None)),
         (6, lines("Bytes", "To servers and to clients, bytes per second.", "Bps",
                   [query(f"sum by (direction) ({rate('mcpvisor_bytes_total')})", "{{direction}}")])),
         (6, lines("HTTP responses", "By status code, per second; 4xx are the client's fault, 5xx ours.", "reqps",
                   [query(f"sum by (code) ({rate('mcpvisor_http_responses_total', scope=SERVICE)})", "{{code}}")],
                   [by_regex("2..", {"color": {"mode": "fixed", "fixedColor": GREEN}}),
                    by_regex("4..", {"color": {"mode": "fixed", "fixedColor": YELLOW}}),
                    by_regex("5..", {"color": {"mode": "fixed", "fixedColor": RED}})])),
         (6, lines("Refused credentials", "Requests per minute that were refused for their key, token or session, by reason.", "cpm",
                   [query(f"sum by (reason) ({rate('mcpvisor_auth_failures_total', scope=SERVICE)}) * 60", "{{reason}}")],
                   stacked=True))),
        (8,
         (8, ranking("Slowest tools", "99 of 100 calls of a tool were answered within this, in the time shown. Only with "
                      "telemetry.tool_labels.", "s", slowest, "{{backend}}: {{gen_ai_tool_name}}", steps(BLUE, (10, YELLOW), (60, ORANGE)),
                      none="telemetry.tool_labels is off")),
         (8, lines("Calls by tool", "Calls per second of the ten tools that are called most. Only with telemetry.tool_labels.", "reqps",
                   [query(f"topk(10, sum by (backend, gen_ai_tool_name) ({rate(SERVER + '_count', TOOLS)}))",
                          "{{backend}}: {{gen_ai_tool_name}}")], none="telemetry.tool_labels is off")),
         (8, lines("Limits reached", "Connections, requests and streams per minute that were refused or given up because of a limit, by the "
                   "setting that sets it (docs/limits.md).", "cpm",
                   [query(f"sum by (limit) ({rate('mcpvisor_limits_reached_total', scope=SERVICE)}) * 60", "{{limit}}")],
                   stacked=True))))


def saturation():
    used = [query(f"sum by (phase) ({of('mcpvisor_connections', scope=SERVICE)})", "{{phase}}"),
            query(f"sum({of('mcpvisor_connections_limit', scope=SERVICE)})", "limit")]
    phases = coloured({"ready": GREEN, "launching": BLUE, "backing_off": ORANGE, "stopped": RED, "draining": GREY})
    fds = [query(own("process_open_fds"), "{{instance}}"), query(f"min({own('process_max_fds')})", "limit")]
    shares = [
        query(f"sum by (instance) ({of('mcpvisor_connections', scope=SERVICE)})"
              f" / sum by (instance) ({of('mcpvisor_connections_limit', scope=SERVICE)} > 0)", "connections {{instance}}"),
        query(f"max by (instance) ({own('process_open_fds')}) / max by (instance) ({own('process_max_fds')})", "files {{instance}}"),
        query(f"sum by (instance) ({rate('mcpvisor_runtime_busy_seconds_total', scope=SERVICE)})"
              f" / sum by (instance) ({of('mcpvisor_runtime_workers', scope=SERVICE)})", "workers {{instance}}"),
    ]
    waits = [query(quantile(q, "mcpvisor_queue_wait_seconds"), f"p{int(q * 100)}") for q in (0.5, 0.99)]
    return row(
        "Saturation",
        (8,
         (8, lines("Share of the limits", "How near an instance is to what it may have: connections (max_connections), open files, and "
                   "the time of the runtime's workers. From the dashed line on, alerts fire for the first two.", "percentunit", shares,
                   thresholds=steps("transparent", (0.8, RED)), high=1)),
         (8, lines("Connections", "Of all backends: stopped ones count too until they are forgotten. At the limit, whose value stands in "
                   "the legend, new sessions are refused (overloaded).", "none", used, phases + [legend_only("limit")], stacked=True)),
         (8, lines("Sessions", "Client sessions, which outlive the processes behind them.", "none",
                   [query(f"sum by (backend) ({of('mcpvisor_sessions')})", "{{backend}}")], stacked=True))),
        (8,
         (8, lines("In flight", "Requests that servers have now (to_backend), and questions of servers that clients have (to_client).",
                   "none", [query(f"sum by (backend, direction) ({of('mcpvisor_requests_in_flight')})", "{{backend}} {{direction}}")],
                   stacked=True)),
         (8, lines("Queued", "Requests that wait for a server to be ready or to have room (max_in_flight).", "none",
                   [query(f"sum by (backend) ({of('mcpvisor_requests_queued')})", "{{backend}}")], stacked=True)),
         (8, lines("Time in the queue", "How long requests waited that could not be sent at once.", "s", waits,
                   coloured({"p50": GREEN, "p99": RED}), log=True))),
        (8,
         (8, lines("Memory of servers", "Resident memory of the servers and all they started.", "bytes",
                   [query(f"sum by (backend) ({of('mcpvisor_backend_memory_bytes')})", "{{backend}}")], stacked=True)),
         (8, lines("CPU of servers", "Cores used by the servers and all they started.", "none",
                   [query(f"sum by (backend) ({rate('mcpvisor_backend_cpu_seconds_total')})", "{{backend}}")], stacked=True)),
         (8, lines("Event streams", "Open streams by kind: GET, POST, and those of listeners. Overflows: events per minute that were "
                   "dropped because a client did not read.", "none",
                   [query(f"sum by (kind) ({of('mcpvisor_streams_open')})", "{{kind}}"),
                    query(f"sum({rate('mcpvisor_stream_overflows_total')}) * 60", "overflows per minute")],
                   coloured({"overflows per minute": RED})))),
        (8,
         (8, lines("CPU of mcpvisor", "Cores used by mcpvisor itself, without its servers.", "none",
                   [query(f"{rate('process_cpu_seconds_total', scope=SERVICE)}{OURS}", "{{instance}}")])),
         (8, lines("Memory of mcpvisor", "Resident memory of mcpvisor itself, without its servers.", "bytes",
                   [query(own("process_resident_memory_bytes"), "{{instance}}")])),
         (8, lines("File descriptors", "Of mcpvisor itself: four a session. The last 64 are not for new servers.",
                   "none", fds, [legend_only("limit")]))))


def build():
    return dashboard(
        "mcpvisor-overview",
        "Is mcpvisor well, and if not, which backend? Made by grafana/generate; see grafana/README.md.",
        [row("Is it well?", (4, *well())), row("Which backend?", (9, (24, backends())), (6, (24, alerts()))), traffic(), saturation()],
    )
