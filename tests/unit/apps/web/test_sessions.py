import json
import os

import pytest

from afmend.apps.web.sessions import MOST_TABS, Sessions, state_folder
from afmend.errors import BadParameterError


@pytest.fixture
def sessions(tmp_path):
    return Sessions(tmp_path / "root", tmp_path / "state")


@pytest.mark.parametrize(
    "text", [b'{"x": NaN}', b'{"x": 1e999}', b"[1]", b"{", b'{"x": "\xff"}', b"[" * 2_000_000, b'{"a":' * 3000]
)
def test_what_no_tab_could_read_is_not_kept(sessions, text):
    with pytest.raises(BadParameterError):
        sessions.save("deadbeef", text)
    assert sessions.load("deadbeef") == "null"


def test_signs_that_utf8_does_not_know_become_others(sessions):
    sessions.save("deadbeef", b'{"name": "\\ud800 \\ud83d\\ude00"}')
    assert json.loads(sessions.load("deadbeef").encode()) == {"name": "\ufffd \U0001f600"}


def test_a_spoilt_file_harms_no_other_tab(sessions, tmp_path):
    sessions.save("deadbeef", b'{"good": 1}')
    sessions.save("deadbee1", b'{"good": 2}')
    spoilt = next(tmp_path.rglob("deadbee1.json"))
    for content in (b'{"x": NaN}', b"[]", b"\xff", b""):
        spoilt.write_bytes(content)
        os.utime(spoilt, (2e9, 2e9))
        assert json.loads(sessions.load("deadbee2")) == {"good": 1}
        assert json.loads(sessions.load("deadbee1")) == {"good": 1}


def test_the_oldest_tabs_go(sessions, tmp_path):
    for i in range(MOST_TABS + 5):
        sessions.save(f"{i:08x}", b"{}")
        os.utime(next(tmp_path.rglob(f"{i:08x}.json")), (1e9 + i, 1e9 + i))
    assert len(list(tmp_path.rglob("*.json"))) <= MOST_TABS


def test_sessions_stay_in_their_folder(tmp_path, monkeypatch):
    sessions = Sessions(tmp_path / "data", tmp_path / "state")
    assert sessions.load("00000000") == "null"
    sessions.save("00000000", b'{"n": 1}')
    assert Sessions(tmp_path / "other", tmp_path / "state").load("00000000") == "null"
    for name in ("../x", "", "ABC", "0" * 40):
        with pytest.raises(BadParameterError):
            sessions.save(name, b"{}")
    with pytest.raises(BadParameterError):
        sessions.save("00000000", b"[]")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert state_folder() == tmp_path / "afmend" / "web"
