"""A small MCP client over Streamable HTTP, of the standard library only."""

import http.client
import json

VERSION = "2025-11-25"


class Refused(Exception):
    """No session was opened; `error` is what was answered in its place."""

    def __init__(self, status, error):
        super().__init__(f"{status} {error}")
        self.status, self.error = status, error


class Session:
    """One client session of one backend."""

    def __init__(self, address, backend, key=""):
        self.address, self.path, self.key, self.session, self.next = address, f"/mcp/{backend}", key, None, 1
        hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "dashboards", "version": "1"}}
        status, headers, answer = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        self.session = headers.get("mcp-session-id")
        if not self.session:
            raise Refused(status, answer)
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def post(self, message, timeout=60):
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        if self.session:
            headers["mcp-session-id"] = self.session
        try:
            connection.request("POST", self.path, json.dumps(message), headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, last_message(reply.read(), reply.headers.get("content-type") or "")
        finally:
            connection.close()

    def request(self, method, params=None):
        """The answer, a JSON-RPC error too."""
        self.next += 1
        message = {"jsonrpc": "2.0", "id": self.next, "method": method, "params": params or {}}
        return self.post(message)[2]

    def call(self, tool, **arguments):
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def delete(self):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        headers = {"mcp-session-id": self.session} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            connection.request("DELETE", self.path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()


def last_message(body, kind):
    """The answer stands last, whatever was streamed before it."""
    if kind.startswith("text/event-stream"):
        data = [line[5:].strip() for line in body.decode().splitlines() if line.startswith("data:")]
        data = [line for line in data if line]
        return json.loads(data[-1]) if data else None
    return json.loads(body) if body.strip() else None


def outcome(answer):
    """`ok`, `tool_error`, or the name of the error."""
    names = {-31001: "backend_lost", -31002: "backend_unavailable", -31003: "timeout", -31004: "overloaded",
             -31005: "shutting_down", -31006: "launch_failed", -31007: "session_ended"}
    if answer is None:
        return "nothing"
    if "error" in answer:
        return names.get(answer["error"]["code"], str(answer["error"]["code"]))
    return "tool_error" if answer["result"].get("isError") else "ok"
