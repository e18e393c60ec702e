"""``afmend web``: listen, print the address, open the browser, and tidy up at the end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from afmend.errors import BadParameterError


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command is told."""

    folder: Path
    port: int
    host: str
    allow_hosts: Sequence[str]
    browser: bool
    memory_mb: int
    timeout_s: float
    upload_mb: int
    warm: bool = True


def serve(wish: Wish, say: Callable[[str], None]) -> int:
    """Serve until stopped; return the exit code.

    Raises
    ------
    BadParameterError
        If the folder is none, or the address cannot be had.
    """
    if not wish.folder.is_dir():
        raise BadParameterError("is not a folder", where=str(wish.folder), now="Name the folder that holds your scans.")
    listener = _listen(wish.host, wish.port)
    scratch = Path(tempfile.mkdtemp(prefix="afmend-web-"))
    try:
        return asyncio.run(_serve(wish, listener, scratch, say))
    finally:
        listener.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise BadParameterError(
            f"cannot listen there ({error})", where=f"{host}:{port}", now="Take another --port."
        ) from error
    return listener


def host_names(host: str, port: int, allowed: Sequence[str]) -> list[str]:
    """Return the exact Host headers that are served."""
    names = ["127.0.0.1", "localhost", "[::1]"]
    if host not in ("0.0.0.0", "::", *names):  # noqa: S104 (named to be left out)
        names.append(f"[{host}]" if ":" in host else host)
    return [*(f"{name}:{port}" for name in names), *allowed]


async def _serve(wish: Wish, listener: socket.socket, scratch: Path, say: Callable[[str], None]) -> int:
    import uvicorn

    from afmend.apps.web.app import Settings, make_app
    from afmend.apps.web.guard import Guard, Keys
    from afmend.apps.web.heads import PatientProtocol

    port = listener.getsockname()[1]
    keys = Keys(port)
    shown = f"[{wish.host}]" if ":" in wish.host else "127.0.0.1" if wish.host == "0.0.0.0" else wish.host  # noqa: S104
    address = f"http://{shown}:{port}/"
    settings = Settings(
        wish.folder.resolve(),
        scratch,
        address,
        wish.memory_mb,
        wish.timeout_s,
        upload_bytes=wish.upload_mb << 20,
        warm=wish.warm,
    )
    app = Guard(make_app(settings, keys), keys, host_names(wish.host, port, wish.allow_hosts))
    config = uvicorn.Config(
        app, log_level="error", ws="none", http=PatientProtocol, proxy_headers=False, server_header=False,
        access_log=False, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=65536,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def end(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn hands them on when it has shut down: then, too, no harm
        signal.signal(number, end)
    entrance = f"{address}?token={keys.new_token()}"
    say(f"afmend shows {settings.root}")
    say(f"Open {entrance}")
    say("The address opens one browser, once. Ctrl-C ends the server.")
    if wish.browser:
        asyncio.get_running_loop().run_in_executor(None, webbrowser.open, entrance)
    await server.serve(sockets=[listener])
    return 0
