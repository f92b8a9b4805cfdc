"""The Python SDK `mcp`, 1.x."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp.types as types
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

from python_checks import ROOT, Seen, run


def plain(model: Any) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class V1Session:
    def __init__(self, session: ClientSession, seen: Seen, server_name: str, session_id: str) -> None:
        self.session, self.seen, self.server_name, self.session_id = session, seen, server_name, session_id

    async def list_tools(self) -> dict[str, Any]:
        return plain(await self.session.list_tools())

    async def call(self, name: str, arguments: dict[str, Any], progress: list[str] | None = None) -> dict[str, Any]:
        async def on_progress(done: float, total: float | None, _message: str | None) -> None:
            if progress is not None:
                progress.append(f"{done:g}/{total:g}")

        callback = None if progress is None else on_progress
        return plain(await self.session.call_tool(name, arguments, progress_callback=callback))

    async def set_level(self, level: str) -> None:
        await self.session.set_logging_level(level)

    async def subscribe(self, uri: str) -> None:
        await self.session.subscribe_resource(AnyUrl(uri))

    async def read(self, uri: str) -> dict[str, Any]:
        return plain(await self.session.read_resource(AnyUrl(uri)))

    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return plain(await self.session.get_prompt(name, arguments))

    async def complete(self, prompt: str, name: str, value: str) -> dict[str, Any]:
        ref = types.PromptReference(type="ref/prompt", name=prompt)
        return plain(await self.session.complete(ref, {"name": name, "value": value}))

    async def ping(self) -> None:
        await self.session.send_ping()


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
        if isinstance(message, types.ServerNotification):
            notification = plain(message)
            uri = (notification.get("params") or {}).get("uri")
            seen.notifications.append({"method": notification["method"], "uri": uri})

    return {
        "sampling_callback": sampling,
        "elicitation_callback": elicitation,
        "list_roots_callback": roots,
        "logging_callback": log,
        "message_handler": message,
    }


@asynccontextmanager
async def connect(url: str, full: bool) -> AsyncIterator[V1Session]:
    seen = Seen()
    async with streamable_http_client(url) as (read, write, session_id):
        async with ClientSession(read, write, **(callbacks(seen) if full else {})) as session:
            initialised = await session.initialize()
            yield V1Session(session, seen, initialised.serverInfo.name, session_id() or "")


asyncio.run(run("python-v1", sys.argv[1], connect))
