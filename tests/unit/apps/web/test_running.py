import asyncio
import time

import pytest

from afmend.apps.web.compose import Wish
from afmend.apps.web.desk import StoppedError
from afmend.apps.web.running import Run, Runner
from web_server import messages

RUN = Run(rev=7, wish=Wish(ref="root/a", steps=()))


class Fails:
    """An engine with a bug."""

    def __init__(self, error):
        self.error = error

    def mend(self, *_):
        raise self.error


class Waits:
    """An engine that works until nobody waits any more."""

    def __init__(self):
        self.stopped = False

    def mend(self, _wish, _tell, step, stop):
        step(0, 1, "level.plane")
        for _ in range(500):
            if stop():
                self.stopped = True
                raise StoppedError
            time.sleep(0.01)


@pytest.mark.parametrize("error", [ZeroDivisionError("by hand"), StopIteration()])
def test_a_bug_reaches_the_page_and_the_log(error, caplog):
    found = []

    async def collect():
        async for data in runner.stream(RUN):
            found.append(data)  # noqa: PERF401 (what came before the error counts)

    runner = Runner(Fails(error))
    asyncio.run(asyncio.wait_for(collect(), 10))
    runner.close()
    head = messages(b"".join(found))[0][0]
    assert (head["t"], head["rev"]) == ("error", 7)
    assert head["error"]["kind"] == type(error).__name__
    assert type(error).__name__ in caplog.text
    assert "report it" in head["error"]["now"]


def test_it_stops_when_nobody_reads():
    engine = Waits()
    runner = Runner(engine)

    async def leave():
        stream = runner.stream(RUN)
        first = await anext(stream)
        await stream.aclose()
        return first

    assert messages(asyncio.run(leave()))[0][0]["step"] == "level.plane"
    end = time.monotonic() + 5
    while not engine.stopped and time.monotonic() < end:
        time.sleep(0.01)
    runner.close()
    assert engine.stopped
