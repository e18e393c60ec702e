"""A small client for a headless Chromium, over the DevTools protocol through a pipe: no port, no other package.

``AFMEND_CHROMIUM`` names the program; without it the usual names are tried.
"""

import base64
import contextlib
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
PLAIN = ("--disable-gpu", "--disable-software-rasterizer", "--disable-3d-apis")


def find_chromium():
    """Return the path of a Chromium, or None."""
    return os.environ.get("AFMEND_CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)


class BrowserError(Exception):
    """The browser refused, or something on the page failed."""


class Browser:
    """One headless Chromium with a profile of its own."""

    def __init__(self, *flags, webgl=True):
        program = find_chromium()
        if program is None:
            raise BrowserError("no Chromium is installed")
        self._home = tempfile.mkdtemp(prefix="afmend-browser-")
        to_read, from_us = os.pipe()
        from_it, to_write = os.pipe()
        command = [
            program, "--headless=new", "--no-sandbox", "--remote-debugging-pipe", f"--user-data-dir={self._home}",
            "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--disable-dev-shm-usage", "--mute-audio", "--hide-scrollbars", "--force-device-scale-factor=1",
            *(SOFTWARE if webgl else PLAIN), *flags, "about:blank",
        ]  # fmt: skip

        def wire():
            # the protocol: the browser reads on descriptor 3 and writes on 4; copies first, for they may overlap
            reading, writing = os.dup(to_read), os.dup(to_write)
            reading, writing = (os.dup(fd) if fd in (3, 4) else fd for fd in (reading, writing))
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self._process = subprocess.Popen(  # the only way to give a child two fixed descriptors
            command,
            preexec_fn=wire,  # noqa: PLW1509
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._out = os.fdopen(from_us, "wb", buffering=0)
        self._in = os.fdopen(from_it, "rb", buffering=0)
        self._number = 0
        self._answers = {}
        self._arrived = threading.Condition()
        self.events = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self):
        """Process id of the browser."""
        return self._process.pid

    def _listen(self):
        rest = b""
        while True:
            try:
                data = self._in.read(1 << 20)
            except (OSError, ValueError):
                return
            if not data:
                return
            *whole, rest = (rest + data).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" in message:
                    with self._arrived:
                        self._answers[message["id"]] = message
                        self._arrived.notify_all()
                else:
                    self.events.put(message)

    def send(self, method, session=None, timeout=30.0, **params):
        """Send a command and return its result."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._out.write(json.dumps(message).encode() + b"\0")
        with self._arrived:
            if not self._arrived.wait_for(lambda: number in self._answers, timeout):
                raise BrowserError(f"{method}: no answer within {timeout} s")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def page(self, url="about:blank", width=1280, height=800, context=None):
        """Open a page; ``context`` keeps its cookies apart from others."""
        apart = {"browserContextId": context} if context else {}
        target = self.send("Target.createTarget", url="about:blank", **apart)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        page.do("Page.enable")
        page.do("Runtime.enable")
        page.size(width, height)
        if url != "about:blank":
            page.go(url)
        return page

    def close(self):
        """End the browser."""
        with contextlib.suppress(BrowserError, OSError):
            self.send("Browser.close", timeout=5)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._out, self._in):
            with contextlib.suppress(OSError):
                pipe.close()
        shutil.rmtree(self._home, ignore_errors=True)


KEYS = {
    "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Backspace": ("Backspace", 8, ""),
    "Tab": ("Tab", 9, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""), "ArrowUp": ("ArrowUp", 38, ""), "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""), " ": ("Space", 32, " "), "F2": ("F2", 113, ""), "Delete": ("Delete", 46, ""),
}  # fmt: skip
MODIFIERS = {"Alt": 1, "Ctrl": 2, "Meta": 4, "Shift": 8}


class Page:
    """One page."""

    def __init__(self, browser, session, target):
        self._browser = browser
        self._session = session
        self._target = target

    def do(self, method, timeout=30.0, **params):
        """Send a command of this page."""
        return self._browser.send(method, self._session, timeout, **params)

    def size(self, width, height, scale=1):
        """Set the size of the window's inside."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def go(self, url):
        """Open an address."""
        self.do("Page.navigate", url=url)

    def close(self):
        """Close the page."""
        self._browser.send("Target.closeTarget", targetId=self._target)

    def js(self, code, timeout=30.0):
        """Evaluate an expression (a promise is waited for) and return its value."""
        answer = self.do(
            "Runtime.evaluate",
            timeout=timeout,
            expression=code,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(f"{details.get('exception', {}).get('description', details['text'])}\n in {code}")
        return answer["result"].get("value")

    def until(self, code, timeout=30.0):
        """Wait until an expression is true."""
        end = time.monotonic() + timeout
        while True:
            try:
                value = self.js(f"(async () => Boolean(await ({code})))()")
            except BrowserError as error:
                value, problem = None, str(error)
            else:
                problem = repr(value)
            if value:
                return
            if time.monotonic() > end:
                raise BrowserError(f"not within {timeout} s: {code} (last: {problem[:400]})")
            time.sleep(0.02)

    def key(self, name, kind="both"):
        """Press and release a key: "a", "Ctrl+Shift+z", "ArrowLeft", " "; ``kind`` "down" or "up" does half of it."""
        *mods, key = name.split("+") if len(name) > 1 and not name.endswith("+") else [name]
        modifiers = sum(MODIFIERS[mod] for mod in mods)
        code, number, text = KEYS.get(key, (f"Key{key.upper()}" if key.isalpha() else "", ord(key[0].upper()), key))
        if modifiers & 6:
            text = ""
        shown = key.upper() if "Shift" in mods and len(key) == 1 else key
        facts = {"modifiers": modifiers, "key": shown, "code": code, "windowsVirtualKeyCode": number}
        if kind != "up":
            self.do("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **facts)
        if kind != "down":
            self.do("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, text):
        """Insert text where the focus is."""
        self.do("Input.insertText", text=text)

    def mouse(self, kind, x, y, button="left", modifiers=0, **more):
        """Send one event of the mouse: pressed, moved, released, wheel."""
        names = {"pressed": "mousePressed", "moved": "mouseMoved", "released": "mouseReleased", "wheel": "mouseWheel"}
        held = {"left": 1, "right": 2, "middle": 4, "none": 0}[button]
        facts = {"buttons": 0 if kind == "released" else held, "clickCount": int(kind in ("pressed", "released"))}
        self.do(
            "Input.dispatchMouseEvent", type=names[kind], x=x, y=y, button=button, modifiers=modifiers, **facts, **more
        )

    def drag(self, points, modifiers=0):
        """Press at the first point, go through the others, release at the last."""
        self.mouse("pressed", *points[0], modifiers=modifiers)
        for point in points[1:]:
            self.mouse("moved", *point, modifiers=modifiers)
        self.mouse("released", *points[-1], modifiers=modifiers)

    def click(self, selector):
        """Click the middle of an element, as a person would."""
        x, y = self.js(
            f"(() => {{ const el = document.querySelector({json.dumps(selector)});"
            " el.scrollIntoView({block: 'nearest'});"
            " const r = el.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()"
        )
        self.mouse("pressed", x, y)
        self.mouse("released", x, y)

    def picture(self, path):
        """Save what the page looks like."""
        data = self.do("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))
