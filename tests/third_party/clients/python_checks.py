"""What is checked through either Python SDK. The SDKs differ in names, so each brings a `Session`
that speaks in plain JSON objects, with the field names of the specification."""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from python_crashes import crashes
from report import Report, expect, expect_equal, until

EVERYTHING = "everything"
RESOURCE = "demo://resource/dynamic/text/1"
LONG = "trigger-long-running-operation"
ROOT = "file:///third-party/python"


class Seen:
    """What the client was asked and told."""

    def __init__(self) -> None:
        self.sampling: list[dict[str, Any]] = []
        self.elicitation: list[dict[str, Any]] = []
        self.roots = 0
        self.logs: list[dict[str, Any]] = []
        self.notifications: list[dict[str, Any]] = []


class Session(Protocol):
    """One session of an SDK, initialised; `seen` fills while it lives."""

    seen: Seen
    server_name: str
    session_id: str

    async def list_tools(self) -> dict[str, Any]: ...
    async def call(self, name: str, arguments: dict[str, Any], progress: list[str] | None = None) -> dict[str, Any]: ...
    async def set_level(self, level: str) -> None: ...
    async def subscribe(self, uri: str) -> None: ...
    async def read(self, uri: str) -> dict[str, Any]: ...
    async def prompt(self, name: str, arguments: dict[str, str]) -> dict[str, Any]: ...
    async def complete(self, prompt: str, name: str, value: str) -> dict[str, Any]: ...
    async def ping(self) -> None: ...


# `full` makes a client that offers sampling, elicitation and roots; otherwise a bare one.
Connect = Callable[[str, bool], AbstractAsyncContextManager[Session]]


async def nothing(_report: Report, _base: str) -> None:
    pass


async def run(name: str, base: str, connect: Connect, more: Callable[[Report, str], Awaitable[None]] = nothing) -> None:
    report = Report(name)
    base = base.rstrip("/")

    def endpoint(server: str) -> str:
        return f"{base}/mcp/{server}"

    basics = [basic(report, connect, endpoint(spec["server"]), spec) for spec in servers()]
    await asyncio.gather(*basics, everything(report, connect, endpoint(EVERYTHING)))
    await more(report, base)
    await isolation(report, connect, endpoint("sequential-thinking"))
    await crashes(report, connect, endpoint, servers)
    report.end()


def servers() -> list[dict[str, Any]]:
    text = (Path(__file__).parent.parent / "servers.json").read_text(encoding="utf-8")
    known = json.loads(text.replace("@UNIQUE@", f"entity-{uuid.uuid4()}"))
    return [server for server in known if os.environ.get(server.get("only_if", "PATH"))]


async def basic(report: Report, connect: Connect, url: str, spec: dict[str, Any]) -> None:
    async def body() -> None:
        async with connect(url, False) as session:
            expect_equal(session.server_name, spec["name"], "serverInfo.name")
            listed = [tool["name"] for tool in (await session.list_tools())["tools"]]
            missing = [tool for tool in spec["tools"] if tool not in listed]
            expect(not missing, f"these tools are missing: {missing}", listed)
            text = text_of(await session.call(spec["call"]["name"], spec["call"]["arguments"]))
            expect(spec["expect"] in text, f"the result should contain {spec['expect']!r}", text)
            ended = session.session_id
            expect(ended, "there is no Mcp-Session-Id")
        expect_equal(await asyncio.to_thread(status_of, url, ended), 404, "the status of a request in the ended session")

    call = spec["call"]["name"]
    await report.check(spec["server"], f"initialises, lists, calls {call}, ends its session (404)", body)


async def everything(report: Report, connect: Connect, url: str) -> None:
    async def session_of_all() -> None:
        async with connect(url, True) as session:
            await report.check(EVERYTHING, "roots: the tool shows the roots of this client", lambda: roots(session))
            await report.check(EVERYTHING, "sampling: the answer of the client comes back", lambda: sampling(session))
            await report.check(EVERYTHING, "elicitation: the form comes back", lambda: elicitation(session))
            await report.check(EVERYTHING, "logging: follows the level", lambda: logging(session))
            await report.check(EVERYTHING, "progress: every step, in order, before the result", lambda: progress(session))
            await report.check(EVERYTHING, "resources, prompts, completion", lambda: reading(session))
            await report.check(EVERYTHING, "subscription: updates arrive, also with nothing in flight", lambda: updates(session))
            await report.check(EVERYTHING, "requests of one session overlap", lambda: overlap(session))

    await report.check(EVERYTHING, "a session with sampling, elicitation and roots", session_of_all, 120)


async def roots(session: Session) -> None:
    text = text_of(await session.call("get-roots-list", {}))
    expect(ROOT in text, "the root is missing", text)
    expect(session.seen.roots >= 1, "the client was not asked for its roots")


async def sampling(session: Session) -> None:
    text = text_of(await session.call("trigger-sampling-request", {"prompt": "a prompt ✓", "maxTokens": 17}))
    expect("sampled<Resource trigger-sampling-request context: a prompt ✓>" in text, "not our answer", text)
    expect_equal(session.seen.sampling[-1]["maxTokens"], 17, "maxTokens as the client was asked")


async def elicitation(session: Session) -> None:
    text = text_of(await session.call("trigger-elicitation-request", {}))
    expect("Ada Lovelace" in text and "Favorite Integer: 7" in text, "not our form", text)
    expect_equal(session.seen.elicitation[-1]["requestedSchema"]["required"], ["name"], "the schema asked")


async def logging(session: Session) -> None:
    def logged(uri: str) -> bool:
        return any(uri in str(log["data"]) for log in session.seen.logs)

    await session.set_level("debug")
    await session.subscribe(RESOURCE)
    await until("the log message of the subscription", lambda: logged(RESOURCE))
    await session.set_level("error")
    await session.subscribe("demo://resource/dynamic/text/2")
    await session.ping()
    expect(not logged("text/2"), "an info message came at level error", session.seen.logs)


async def progress(session: Session) -> None:
    steps: list[str] = []
    text = text_of(await session.call(LONG, {"duration": 1, "steps": 5}, steps))
    expect("completed" in text, "not completed", text)
    expect_equal(steps, ["1/5", "2/5", "3/5", "4/5", "5/5"], "the progress at the time of the result")


async def reading(session: Session) -> None:
    content = (await session.read(RESOURCE))["contents"][0]
    expect(content["text"].startswith("Resource 1: This is a plaintext resource"), "another text", content)
    prompt = await session.prompt("args-prompt", {"city": "Zürich", "state": "ZH"})
    expect_equal(prompt["messages"][0]["content"]["text"], "What's weather in Zürich, ZH?", "the prompt")
    completion = await session.complete("completable-prompt", "department", "S")
    expect_equal(completion["completion"]["values"], ["Sales", "Support"], "the departments")


async def updates(session: Session) -> None:
    def count() -> int:
        return len([n for n in session.seen.notifications if n == {"method": "notifications/resources/updated", "uri": RESOURCE}])

    await session.call("toggle-subscriber-updates", {})
    await until("an update", lambda: count() >= 1)
    before = count()
    await until("another update, 5 s later", lambda: count() > before)
    await session.call("toggle-subscriber-updates", {})


async def overlap(session: Session) -> None:
    started = time.monotonic()
    calls = [session.call(LONG, {"duration": 2, "steps": steps}, []) for steps in range(1, 7)]
    texts = [text_of(result) for result in await asyncio.gather(*calls)]
    took = time.monotonic() - started
    expect(took < 8, f"6 calls of 2 s at once took {took:.1f} s (12 s one after the other)")
    for steps, text in enumerate(texts, start=1):
        expect(f"Steps: {steps}." in text, f"answer {steps} belongs to another call", text)


async def isolation(report: Report, connect: Connect, url: str) -> None:
    async def body() -> None:
        async with connect(url, False) as a, connect(url, False) as b:
            expect(a.session_id != b.session_id, "both sessions have one id")
            counts = [await think(a), await think(b), await think(a), await think(a), await think(b)]
            expect_equal(counts, [1, 1, 2, 3, 2], "the thoughts counted by the two sessions")

    await report.check("sequential-thinking", "two sessions do not see each other's thoughts", body)


async def think(session: Session) -> int:
    thought = {"thought": "x", "thoughtNumber": 1, "totalThoughts": 9, "nextThoughtNeeded": True}
    return json.loads(text_of(await session.call("sequentialthinking", thought)))["thoughtHistoryLength"]


def text_of(result: dict[str, Any]) -> str:
    text = "\n".join(part.get("text", "") for part in result["content"])
    expect(not result.get("isError"), f"the tool answered with an error: {text}")
    return text


def status_of(url: str, session_id: str) -> int:
    """The status that a ping in that session gets, asked without any SDK."""
    request = urllib.request.Request(
        url,
        data=json.dumps({"jsonrpc": "2.0", "id": "after", "method": "ping"}).encode(),
        headers={
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-session-id": session_id,
            "mcp-protocol-version": "2025-11-25",
        },
    )
    # No proxy of the environment: the gateway is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")
