"""What schemathesis cannot know: which names are there, and which answers have no end."""

import json
import os
import urllib.request

import schemathesis

ADMIN, MAIN = os.environ["MCPVISOR_ADMIN"], os.environ["MCPVISOR_MAIN"]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def connection():
    """One that is there. Orders end some, so another is opened where there is none; None: the backend is stopped."""
    for _ in range(2):
        with urllib.request.urlopen(f"{ADMIN}/api/v1/connections", timeout=10) as answer:
            found = json.load(answer)["connections"]
        if found:
            return found[0]
        urllib.request.urlopen(urllib.request.Request(f"{ADMIN}/api/v1/backends/fixture/start", method="POST"), timeout=10).close()
        request = urllib.request.Request(f"{MAIN}/mcp/fixture", json.dumps(INITIALIZE).encode(), HEADERS)
        urllib.request.urlopen(request, timeout=30).close()
    return None


@schemathesis.hook
def before_call(context, case, kwargs):
    """Half of the requests are for what is there; none asks for an answer without end."""
    if isinstance(case.query, dict) and "follow" in case.query:
        case.query["follow"] = "false"
    wanted = case.path_parameters
    if not wanted or hash(json.dumps(wanted, sort_keys=True, default=str)) % 2:
        return
    if "id" in wanted:
        wanted["id"] = "fixture"
    if "session" in wanted and (found := connection()):
        wanted["backend"], wanted["session"] = found["backend"], found["session"]
