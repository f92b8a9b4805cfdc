"""The Python SDKs and fastmcp: each cell of their rows.

    python.py BASE_URL python-v1|python-v2-legacy|python-v2-modern|fastmcp-legacy|fastmcp-modern
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "clients"))

from python_checks import servers as ordinary  # noqa: E402
from report import Report, expect, expect_equal  # noqa: E402

LEFT_OUT = ["everything-npx", "everything-sse", "sequential-thinking"]  # see world.mjs


def servers() -> list[dict[str, Any]]:
    text = (HERE / "servers.json").read_text(encoding="utf-8")
    own = json.loads(text.replace("@REPOSITORY@", os.environ["THIRD_PARTY_REPOSITORY"]))
    return [spec for spec in ordinary() if spec["server"] not in LEFT_OUT] + own


class Session:
    """What the cells take of a client, whichever it is."""

    def __init__(self, client: Any, revision: str, name: str) -> None:
        self.client, self.revision, self.name = client, revision, name

    async def list(self) -> list[str]:
        listed = await self.client.list_tools()
        return [tool.name for tool in getattr(listed, "tools", listed)]  # fastmcp gives the list itself

    async def call(self, call: dict[str, Any]) -> str:
        result = await self.client.call_tool(call["name"], call["arguments"])
        text = "\n".join(getattr(part, "text", "") for part in result.content)
        failed = any(getattr(result, name, False) for name in ("isError", "is_error"))
        expect(not failed, f"the tool answered with an error: {text}")
        return text


@asynccontextmanager
async def python_v1(url: str, _mode: str) -> AsyncIterator[Session]:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with streamable_http_client(url) as (read, write, _id), ClientSession(read, write) as session:
        initialised = await session.initialize()
        yield Session(session, str(initialised.protocolVersion), initialised.serverInfo.name)


@asynccontextmanager
async def with_modes(url: str, mode: str) -> AsyncIterator[Session]:
    if NAME.startswith("fastmcp"):
        from fastmcp import Client
    else:
        from mcp import Client

    async with Client(url, mode=mode) as client:
        yield Session(client, str(client.protocol_version), client.server_info.name if client.server_info else "")


async def cell(spec: dict[str, Any], revision: str, base: str) -> None:
    mode = "auto" if NAME.endswith("-modern") else "legacy"
    connect = python_v1 if NAME == "python-v1" else with_modes
    async with connect(f"{base}/mcp/{spec['server']}", mode) as session:
        expect_equal(session.revision, revision, "the revision")
        expect_equal(session.name, spec["name"], "serverInfo.name")
        listed = await session.list()
        missing = [tool for tool in spec["tools"] if tool not in listed]
        expect(not missing, f"these tools are missing: {missing}", listed)
        if "call" in spec:
            text = await session.call(spec["call"])
            wanted = spec.get("expect_modern", spec["expect"]) if NAME.endswith("-modern") else spec["expect"]
            expect(wanted in text, f"the result of {spec['call']['name']} should contain {wanted!r}", text)


async def main(base: str) -> None:
    report = Report(NAME)
    revision = "2026-07-28" if NAME.endswith("-modern") else "2025-11-25"
    for spec in servers():
        await report.check(spec["server"], "cell", lambda spec=spec: cell(spec, revision, base))
    report.end()


NAME = sys.argv[2]
asyncio.run(main(sys.argv[1].rstrip("/")))
