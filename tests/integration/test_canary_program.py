"""The canary as a program of its own, and as what the auditor does again and again."""

import asyncio
import json
import sys

import pytest
from nats.aio.client import Client

from auditor.canary.count import Terms
from support.ports import free_port
from support.served import PageOf, Serve, metric
from support.waiting import until


async def _program(*arguments: str) -> tuple[int, str, str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "auditor.canary", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, errors = await child.communicate()
    return child.returncode or 0, output.decode(), errors.decode()


async def test_the_program_says_by_its_status_whether_all_is_well(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf
) -> None:
    await serve_scheduler()
    url = str((await page_of(await serve_coordinator())).make_url("/"))
    status, output, _ = await _program(url, "--interval-ms", "100", "--json")
    assert (status, json.loads(output)["ok"]) == (0, True)
    nowhere = f"http://127.0.0.1:{free_port()}"
    status, output, _ = await _program(nowhere)
    assert status == 1
    assert f"FAILED: the page {nowhere}/r/canary-" in output
    assert "can't be reached" in output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("localhost:8080",),
        ("http://localhost/r/Not_A_Room",),
        ("http://localhost", "--room", "A B"),
        ("http://localhost/r/quiz", "--room", "launch"),
        ("http://localhost", "--interval-ms", "99"),
        ("http://localhost", "--patience", "nan"),
    ],
)
async def test_the_program_called_wrongly_ends_with_2(arguments: tuple[str, ...]) -> None:
    status, _, errors = await _program(*arguments)
    assert status == 2
    assert "error:" in errors


async def test_the_auditor_counts_again_and_again(
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    serve_auditor: Serve,
    page_of: PageOf,
    bus: Client,
) -> None:
    await serve_scheduler()
    page = await page_of(await serve_coordinator())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.canary.loop.Terms", lambda: Terms(interval_ms=100))
        auditor = await serve_auditor(canary_url=str(page.make_url("/")), canary_interval=0.1)
        ok, late = 'tminus_canary_runs_total{outcome="ok"}', "tminus_canary_late_seconds_count"
        before = await metric(auditor, ok), await metric(auditor, late)

        async def has_counted_twice() -> bool:
            return await metric(auditor, ok) >= before[0] + 2

        await until(has_counted_twice)
    assert await metric(auditor, late) >= before[1] + 44
    stream = await bus.jetstream().stream_info("COUNTDOWN", subjects_filter="countdown.>")
    assert len(stream.state.subjects or {}) == 1
