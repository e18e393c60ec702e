import asyncio

import uvicorn
from starlette.responses import PlainTextResponse

from afmend.apps.web import heads


def test_half_requests_are_closed_and_whole_ones_are_not(monkeypatch):
    monkeypatch.setattr(heads, "HEAD_S", 0.4)

    async def slow(scope, receive, send):
        await asyncio.sleep(1.0)
        await PlainTextResponse("here")(scope, receive, send)

    async def ask(port, *parts):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.25)
            return await asyncio.wait_for(reader.read(), 4)
        except OSError:  # closed while it was still being written to
            return b""
        finally:
            writer.close()

    async def serve():
        config = uvicorn.Config(slow, port=0, log_level="error", http=heads.PatientProtocol, lifespan="off")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        whole = b"GET / HTTP/1.1\r\nHost: x\r\n"
        found = await asyncio.gather(
            ask(port), ask(port, b"GET / HT"), ask(port, b"GET", b" /", b" HT", b"TP"),
            ask(port, whole + b"Connection: close\r\n\r\n"), ask(port, whole, b"\r\n", b"", b"", b"", b"", b"GET / HT"),
        )  # fmt: skip
        server.should_exit = True
        await running
        return found

    empty, half, drops, good, second = asyncio.run(serve())
    assert (empty, half, drops) == (b"", b"", b"")
    assert good.endswith(b"here")
    assert second.endswith(b"here")  # and the half request after it is closed, too
