"""Servers are killed and stopped under either Python SDK; the TypeScript client does more of it (crashes.mjs)."""

import asyncio
import hashlib
import json
import os
import signal
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

from report import Report, expect, expect_equal, until

AT_ONCE_S = 5
LOST = -31001
# What their own lists say of their tools: whether a call may be sent once more, once the SDK has seen the list.
READ_ONLY = {"memory": False, "time": True}

# The gateway's admin listener; empty if the gateway is not one of this machine that ../run has started.
ADMIN = os.environ.get("THIRD_PARTY_ADMIN", "")


# The servers with the one call that is made of each; names in it are new each time.
Specs = Callable[[], list[dict[str, Any]]]


async def crashes(report: Report, connect: Any, endpoint: Callable[[str], str], specs: Specs) -> None:
    if ADMIN:
        await asyncio.gather(*(crash(report, connect, endpoint(server), server, specs) for server in READ_ONLY))


async def crash(report: Report, connect: Any, url: str, server: str, specs: Specs) -> None:
    async def body() -> None:
        async with connect(url, False) as session:

            async def works() -> None:
                spec = next(spec for spec in specs() if spec["server"] == server)
                result = await session.call(spec["call"]["name"], spec["call"]["arguments"])
                text = "\n".join(part.get("text", "") for part in result["content"])
                expect(spec["expect"] in text, f"the result should contain {spec['expect']!r}", text)

            # Nothing has been listed yet, so nothing is known to be safe.
            await killed_in_a_call(session, works, False)
            await works()
            await killed_in_a_call(session, works, READ_ONLY[server])
            await works()
            before = (await connection(session))["pid"]
            os.kill(before, signal.SIGKILL)
            await eventually("its end to be seen", lambda: connection(session), lambda shown: shown["restarts"] == 3)
            await works()
            await until("its end", lambda: not lives(before))
            await stopped_in_a_call(session, works)
            left = (await connection(session))["pid"]
        await until("the end of its server", lambda: not lives(left))

    what = "kill -9 in and between calls, SIGSTOP and SIGCONT: the session goes on, no process stays"
    await report.check(server, what, body)


async def killed_in_a_call(session: Any, works: Callable[[], Awaitable[None]], safe: bool) -> None:
    pid = (await connection(session))["pid"]
    # Stopped, it has the call for as long as it takes.
    os.kill(pid, signal.SIGSTOP)
    call = asyncio.create_task(works())
    await in_flight(session)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    (error,) = await asyncio.gather(call, return_exceptions=True)
    took = time.monotonic() - killed
    await until("its end", lambda: not lives(pid))
    if safe:
        return expect(error is None, "a read-only call is sent once more, and answered", error)
    data = getattr(error, "error", None)
    expect_equal(getattr(data, "code", repr(error)), LOST, "the code of the error")
    expect_equal((data.data["reason"], data.data["signal"]), ("signal", 9), "what the error says")
    expect(took < AT_ONCE_S, f"the error came after {took:.1f} s")


async def stopped_in_a_call(session: Any, works: Callable[[], Awaitable[None]]) -> None:
    pid = (await connection(session))["pid"]
    os.kill(pid, signal.SIGSTOP)
    call = asyncio.create_task(works())
    await in_flight(session)
    os.kill(pid, signal.SIGCONT)
    await call
    expect_equal((await connection(session))["pid"], pid, "the process")


async def in_flight(session: Any) -> None:
    await eventually("the call at the server", lambda: connection(session), lambda shown: shown["in_flight"] == 1)


async def connection(session: Any) -> dict[str, Any]:
    """What the gateway shows of the connection behind a session."""
    wanted = hashlib.sha256(session.session_id.encode()).hexdigest()[:12]

    def ask() -> dict[str, Any]:
        with urllib.request.urlopen(f"{ADMIN}/api/v1/connections", timeout=10) as answer:
            shown = json.load(answer)["connections"]
        return next(one for one in shown if one["session"] == wanted)

    return await asyncio.to_thread(ask)


async def eventually(what: str, ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> None:
    deadline = time.monotonic() + 20
    while not wanted(await ask()):
        expect(time.monotonic() < deadline, f"{what} did not come within 20 s")
        await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    """A zombie is only waiting for the init of this machine."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
