"""The Python SDK `mcp`, 2.x, told to speak the handshake of the revisions up to 2025-11-25; and as it comes, by 2026-07-28."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from python_checks import EVERYTHING, ROOT, Seen, elicitation, roots, run, sampling
from report import Report, expect_equal


def plain(model: Any) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class V2Session:
    def __init__(self, client: Client, seen: Seen, session_id: str) -> None:
        self.client, self.seen, self.session_id = client, seen, session_id
        self.server_name = client.server_info.name if client.server_info else ""

    async def list_tools(self) -> dict[str, Any]:
        return plain(await self.client.list_tools())

    async def call(self, name: str, arguments: dict[str, Any], progress: list[str] | None = None) -> dict[str, Any]:
        async def on_progress(done: float, total: float | None, _message: str | None) -> None:
            if progress is not None:
                progress.append(f"{done:g}/{total:g}")

        callback = None if progress is None else on_progress
        return plain(await self.client.call_tool(name, arguments, progress_callback=callback))

    async def set_level(self, level: str) -> None:
        await self.client.set_logging_level(level)

    async def subscribe(self, uri: str) -> None:
        await self.client.subscribe_resource(uri)

    async def read(self, uri: str) -> dict[str, Any]:
        return plain(await self.client.read_resource(uri))

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return plain(await self.client.get_prompt(name, arguments))

    async def complete(self, prompt: str, name: str, value: str) -> dict[str, Any]:
        ref = types.PromptReference(type="ref/prompt", name=prompt)
        return plain(await self.client.complete(ref, {"name": name, "value": value}))

    async def ping(self) -> None:
        await self.client.send_ping()


def callbacks(seen: Seen) -> dict[str, Any]:
    async def sampling(_context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        seen.sampling.append(plain(params))
        text = f"sampled<{params.messages[-1].content.text}>"
        content = types.TextContent(type="text", text=text)
        return types.CreateMessageResult(role="assistant", content=content, model="a-model-of-this-test")

    async def elicitation(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        seen.elicitation.append(plain(params))
        return types.ElicitResult(action="accept", content={"name": "Ada Lovelace", "check": True, "integer": 7})

    async def roots(_context: Any) -> types.ListRootsResult:
        seen.roots += 1
        return types.ListRootsResult(roots=[types.Root(uri=ROOT, name="python")])

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        seen.logs.append(plain(params))

    async def message(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            seen.notifications.append({"method": message.method, "uri": str(message.params.uri)})

    return {
        "sampling_callback": sampling,
        "elicitation_callback": elicitation,
        "list_roots_callback": roots,
        "logging_callback": log,
        "message_handler": message,
    }


@asynccontextmanager
async def connect(url: str, full: bool, mode: str = "legacy") -> AsyncIterator[V2Session]:
    seen = Seen()
    session_ids: list[str] = []

    async def note_session(response: Any) -> None:
        session_ids.extend(response.headers.get_list("mcp-session-id"))

    # The client does not tell its session id, so it is read off the wire.
    async with create_mcp_http_client() as http:
        http.event_hooks = {"request": [], "response": [note_session]}
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, **(callbacks(seen) if full else {})) as client:
            yield V2Session(client, seen, session_ids[0] if session_ids else "")


async def modern(report: Report, base: str) -> None:
    """What server-everything asks of its client, answered without a session: in the result of a call, and by calling again."""

    async def session_of_all() -> None:
        async with connect(f"{base}/mcp/{EVERYTHING}", True, "auto") as session:

            async def negotiated() -> None:
                expect_equal(session.client.protocol_version, "2026-07-28", "the revision")
                expect_equal(session.server_name, "mcp-servers/everything", "serverInfo.name")
                expect_equal(session.session_id, "", "the Mcp-Session-Id")

            await report.check(EVERYTHING, "2026-07-28: is negotiated by discovery, and there is no session", negotiated)
            await report.check(EVERYTHING, "2026-07-28: elicitation: the form comes back", lambda: elicitation(session))
            await report.check(EVERYTHING, "2026-07-28: sampling: the answer of the client comes back", lambda: sampling(session))
            await report.check(EVERYTHING, "2026-07-28: roots: the tool shows the roots of this client", lambda: roots(session))

    await report.check(EVERYTHING, "2026-07-28: a client with sampling, elicitation and roots", session_of_all, 120)


asyncio.run(run("python-v2", sys.argv[1], connect, modern))
