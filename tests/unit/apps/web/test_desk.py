import asyncio
import threading
import time

import pytest

from afmend.apps.web import desk as module
from afmend.apps.web.desk import BusyError, Desk, StoppedError


class Client:
    """One who asks, and may go away."""

    def __init__(self):
        self.gone = asyncio.Event()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}


def test_the_answer_and_the_error_arrive():
    async def both():
        desk = Desk(1)
        assert await desk.do(Client(), lambda stop: (7, stop())) == (7, False)
        with pytest.raises(ZeroDivisionError):
            await desk.do(Client(), lambda _: 1 / 0)
        with pytest.raises(RuntimeError):  # raised in a coroutine, StopIteration becomes that; it must not hang
            await asyncio.wait_for(desk.do(Client(), lambda _: next(iter(()))), 5)
        desk.close()

    asyncio.run(both())


def test_who_has_gone_is_not_worked_for():
    begun, ended, working = [], [], threading.Event()

    def work(stop):
        begun.append(1)
        working.set()
        end = time.monotonic() + 10
        while not stop() and time.monotonic() < end:
            time.sleep(0.005)
        ended.append(stop())

    async def leave():
        desk = Desk(1)
        clients = [Client() for _ in range(8)]
        asked = [asyncio.create_task(desk.do(client, work)) for client in clients]
        await asyncio.to_thread(working.wait, 10)
        for waiting in (clients[1:], clients[:1]):  # the one that runs last: it makes room
            for client in waiting:
                client.gone.set()
            places = [clients.index(client) for client in waiting]
            found = await asyncio.gather(*(asked[at] for at in places), return_exceptions=True)
            assert [type(one) for one in found] == [StoppedError] * len(waiting)
        start = time.monotonic()
        assert await desk.do(Client(), lambda _: "next") == "next"
        desk.close()
        return time.monotonic() - start

    assert asyncio.run(leave()) < 5.0  # seconds; not told to stop, the work takes ten
    assert (begun, ended) == ([1], [True])


def test_too_many_are_told(monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    go = threading.Event()

    async def crowd():
        desk = Desk(1)
        asked = [asyncio.create_task(desk.do(Client(), lambda _: go.wait(10))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="too many"):
            await desk.do(Client(), lambda _: 1)
        go.set()
        assert await asyncio.gather(*asked) == [True, True]
        assert await desk.do(Client(), lambda _: 1) == 1
        desk.close()

    asyncio.run(crowd())
