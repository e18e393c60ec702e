"""Shared by the tests of the web page: a server in a process of its own, and the plainest of clients."""

import contextlib
import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np

from afmend.recipes import load_recipe
from support import ROOT, rough

ANY_NAME = sys.platform not in ("darwin", "win32")
"""Whether files may have names that are no text."""
AUTO = [use.model_dump() for use in load_recipe("auto").steps]
GWYDDION = [use.model_dump() for use in load_recipe("gwyddion").steps]


def damaged(shape=(96, 128), seed=3):
    """A smooth surface on a tilt, with two scars, a spike and offsets of lines."""
    z = rough(shape, seed=seed, sq_nm=2.0, smooth_px=5.0)
    rng = np.random.default_rng(seed)
    z += 0.05 * np.arange(shape[1]) + 0.08 * np.arange(shape[0])[:, None]
    z += rng.normal(0, 0.3, (shape[0], 1)) + rng.normal(0, 0.02, shape)
    z[30, 40:100] += 9.0
    z[61:63, 10:90] += 7.0
    z[50, 64] += 30.0
    return z


@dataclass
class Server:
    """A running ``afmend web``."""

    process: subprocess.Popen
    port: int
    entrance: str
    cookie: str = ""
    log: list = field(default_factory=list)

    @property
    def host(self):
        """Host header."""
        return f"127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, headers=None, *, bare=False):
        """Send a request; return (status, headers, bytes). ``bare`` sends nothing but the given headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {} if bare else {"Host": self.host, "Cookie": self.cookie, "Origin": f"http://{self.host}"}
        sent.update(headers or {})
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if data is not None and "Content-Length" not in sent and "Transfer-Encoding" not in sent:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def json(self, method, path, body=None, *, status=200):
        """Send a request and return the JSON of the answer."""
        got, _, data = self.ask(method, path, body)
        assert got == status, (got, data[:500])
        return json.loads(data)

    def enter(self):
        """Spend the one-time token; keep the cookie."""
        status, headers, _ = self.ask("GET", "/?" + self.entrance.partition("?")[2], headers={"Cookie": None})
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]

    def run(self, wish, **more):
        """Run a wish; return its messages as (head, payload)."""
        status, _, data = self.ask("POST", "/api/run", {"rev": 1, "wish": wish, **more})
        assert status == 200, data[:300]
        return messages(data)

    def close(self):
        """Stop as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)
        self.process.stderr.close()


def wish(ref="root/one.gwy", steps=GWYDDION, **more):
    return {"ref": ref, "steps": steps, **more}


def messages(data):
    """Cut a stream into (head, payload)."""
    found = []
    while data:
        head, payload = struct.unpack_from("<II", data)
        text = data[8 : 8 + head]
        found.append((json.loads(text), data[8 + head : 8 + head + payload]))
        data = data[8 + head + payload + -payload % 8 :]
    return found


def start(folder, state, *words):
    """Start a server on a folder; its autosaves go to ``state``."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": str(state), "LOCALAPPDATA": str(state)}
    command = [
        sys.executable,
        "-m",
        "afmend.apps.cli.main",
        "web",
        str(folder),
        "--no-browser",
        "--no-warm-up",
        *map(str, words),
    ]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    log = []
    for line in process.stderr:
        log.append(line)
        if found := re.search(r"http://\S+:(\d+)/\?token=\S+", line):
            server = Server(process, int(found.group(1)), found.group(0), log=log)
            server.log.append(process.stderr.readline())
            return server
    raise AssertionError(f"no address was printed: {log}")
