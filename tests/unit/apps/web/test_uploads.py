import asyncio
import json

import pytest
from starlette.requests import Request

from afmend.apps.web import uploads as module
from afmend.apps.web.requests import TooLargeError
from afmend.apps.web.roots import Roots
from afmend.apps.web.uploads import Uploads


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPARE_BYTES", 0)
    return Uploads(Roots({"upload": tmp_path}), tmp_path, 1000)


def send(uploads, name, *parts):
    """Send a file in parts; return its reference."""
    left = list(parts)

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    scope = {"type": "http", "method": "POST", "headers": [(b"x-name", name.encode())]}
    return json.loads(asyncio.run(uploads.upload(Request(scope, receive))).body)["ref"]


def test_a_file_sent_again_takes_no_more_room(uploads, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 3)
    assert len({send(uploads, "a.gwy", b"x" * 300, b"y" * 100) for _ in range(9)}) == 1
    assert send(uploads, "b.gwy", b"z" * 500)
    with pytest.raises(TooLargeError):
        send(uploads, "c.gwy", b"c" * 400)


def test_what_did_not_fit_takes_no_room(uploads, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    send(uploads, "a.gwy", b"a" * 500)
    for _ in range(5):
        with pytest.raises(TooLargeError):
            send(uploads, "b.gwy", b"b" * 300, b"b" * 400)
    assert send(uploads, "c.gwy", b"c" * 500)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2
