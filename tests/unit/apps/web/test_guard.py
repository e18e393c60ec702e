import asyncio

import pytest
from starlette.responses import PlainTextResponse

from afmend.apps.web.guard import Guard, Keys

HOSTS = ("127.0.0.1:80", "localhost:80", "[::1]:80")


def ask(guard, *, method="GET", path="/", query="", headers=(), kind="http"):
    """Send one request through a guard; return (status, headers)."""
    sent = []
    scope = {
        "type": kind, "method": method, "path": path, "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    if kind != "http":
        return sent[0]["type"], {}
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.fixture
def keys():
    return Keys(80)


@pytest.fixture
def guard(keys):
    return Guard(PlainTextResponse("inside"), keys, HOSTS)


def cookie(keys):
    return ("cookie", keys.set_cookie().partition(";")[0])


@pytest.mark.parametrize("host", HOSTS)
def test_own_names_are_served(guard, keys, host):
    assert ask(guard, headers=[("host", host), cookie(keys)])[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:81", "localhost.evil.example:80", "127.0.0.1:80@evil", "[::1]", ""]
)
def test_foreign_names_are_refused(guard, keys, host):
    assert ask(guard, headers=[("host", host), cookie(keys)])[0] == 421


def test_no_name_and_two_names_are_refused(guard, keys):
    assert ask(guard, headers=[cookie(keys)])[0] == 421
    assert ask(guard, headers=[("host", HOSTS[0]), ("host", HOSTS[1]), cookie(keys)])[0] == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:81", "file://", "http://localhost"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_origins_are_refused(guard, keys, origin, method):
    headers = [("host", HOSTS[0]), ("origin", origin), cookie(keys)]
    assert ask(guard, method=method, headers=headers)[0] == 403


def test_changing_requests_need_an_origin(guard, keys):
    assert ask(guard, method="POST", headers=[("host", HOSTS[0]), cookie(keys)])[0] == 403
    headers = [("host", HOSTS[0]), ("origin", "http://127.0.0.1:80"), cookie(keys)]
    assert ask(guard, method="POST", headers=headers)[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_parts_are_not_for_other_sites(guard, keys, site):
    headers = [("host", HOSTS[0]), ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors"), cookie(keys)]
    assert ask(guard, path="/api/thumb", headers=headers)[0] == 403
    headers[2] = ("sec-fetch-mode", "navigate")
    assert ask(guard, path="/api/thumb", headers=headers)[0] == 403
    assert ask(guard, path="/", headers=headers)[0] == 200


@pytest.mark.parametrize(
    "value", ["", "afmend_80=", "afmend_80=wrong", "afmend_81=x", 'afmend_80="', "a=b; afmend_80=ü"]
)
def test_without_the_secret_nothing(guard, value):
    assert ask(guard, path="/api/browse", headers=[("host", HOSTS[0]), ("cookie", value)])[0] == 401


@pytest.mark.parametrize("other", ['prefs={"theme":"dark"}', "x", "=", 'a="b', "afmend_80=old", "ä=ü", "a[]=1"])
def test_cookies_of_other_programs_lock_nobody_out(guard, keys, other):
    name, own = cookie(keys)
    for value in (f"{other}; {own}", f"{own}; {other}"):
        assert ask(guard, headers=[("host", HOSTS[0]), (name, value)])[0] == 200


def test_a_preview_of_the_link_does_not_spend_it(guard, keys):
    token = keys.new_token()
    assert ask(guard, method="HEAD", query=f"token={token}", headers=[("host", HOSTS[0])])[0] == 401
    assert ask(guard, query=f"token={token}", headers=[("host", HOSTS[0])])[0] == 303


def test_a_token_opens_once(guard, keys):
    token = keys.new_token()
    headers = [("host", HOSTS[0])]
    status, answer = ask(guard, query=f"token={token}", headers=headers)
    assert status == 303
    assert answer["location"] == "./"
    assert "HttpOnly" in answer["set-cookie"]
    assert "SameSite=Strict" in answer["set-cookie"]
    assert ask(guard, query=f"token={token}", headers=headers)[0] == 401
    again = [*headers, ("cookie", answer["set-cookie"].partition(";")[0])]
    assert ask(guard, query=f"token={token}", headers=again)[0] == 303
    assert ask(guard, path="/api/schema", query=f"token={keys.new_token()}", headers=headers)[0] == 401


def test_wrong_tokens_do_not_spend_the_right_one(guard, keys):
    token = keys.new_token()
    for wrong in ("", "x", token[:-1], token + "x", "ü"):
        assert ask(guard, query=f"token={wrong}", headers=[("host", HOSTS[0])])[0] == 401
    assert keys.spend(token)


def test_every_answer_is_sealed(guard, keys):
    for headers in ([("host", HOSTS[0]), cookie(keys)], [("host", "evil")]):
        _, answer = ask(guard, headers=headers)
        assert "default-src 'none'" in answer["content-security-policy"]
        assert "unsafe" not in answer["content-security-policy"]
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["cache-control"] == "no-store"
        assert answer["cross-origin-resource-policy"] == "same-origin"


def test_no_sockets(guard, keys):
    assert ask(guard, headers=[("host", HOSTS[0]), cookie(keys)], kind="websocket")[0] == "websocket.close"
