"""One line per check, in the form that ../run counts; see report.mjs, which does the same."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_S = 45  # generous: cold starts of several Node servers share two cores


class Report:
    def __init__(self, client: str) -> None:
        self.client = client
        self.checks = 0

    async def check(
        self, server: str, what: str, body: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S
    ) -> Any:
        """Runs one check and prints its line; a check that raises or hangs has failed. Never raises."""
        self.checks += 1
        try:
            value = await asyncio.wait_for(body(), patience_s)
        except TimeoutError:
            print(f"FAIL {self.client} {server} {what}: no end after {patience_s} s", flush=True)
        except Exception as error:
            print(f"FAIL {self.client} {server} {what}: {one_line(error)}", flush=True)
        else:
            print(f"ok {self.client} {server} {what}", flush=True)
            return value
        return None

    def end(self) -> None:
        print(f"end {self.client} {self.checks}", flush=True)


def expect(condition: Any, message: str, got: Any = None) -> None:
    if not condition:
        raise AssertionError(message if got is None else f"{message}, got {dump(got)}")


def expect_equal(got: Any, wanted: Any, what: str) -> None:
    expect(got == wanted, f"{what} should be {dump(wanted)}", [got] if got is None else got)


async def until(what: str, probe: Callable[[], Any], within_s: float = 20) -> None:
    """Waits until `probe()` is true: for what the server sends on its own."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not probe():
        expect(asyncio.get_running_loop().time() < deadline, f"{what} did not come within {within_s} s")
        await asyncio.sleep(0.02)


def one_line(error: BaseException) -> str:
    """The innermost cause: the SDKs wrap everything in exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:700]


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:600]
