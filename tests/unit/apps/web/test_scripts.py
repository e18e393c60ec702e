"""The modules of the page: tests of their own in node, where there is one; their size; what ships."""

import gzip
import os
import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from support import ROOT

STATIC = ROOT / "src" / "afmend" / "apps" / "web" / "static"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_modules_in_node():
    tests = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    assert len(tests) >= 8
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


TSC = os.environ.get("AFMEND_TSC") or shutil.which("tsc")


@pytest.mark.skipif(TSC is None, reason="TypeScript's tsc is not installed (or set AFMEND_TSC)")
def test_types_of_modules():
    done = subprocess.run([TSC, "-p", ROOT / "tests" / "js"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_modules_are_small():
    modules = sorted(STATIC.rglob("*.js"))
    assert len(modules) > 20
    assert [path.name for path in modules if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []
    text = "".join(path.read_text(encoding="utf-8") for path in modules)
    code = re.sub(r"(^|\s)// .*$", "", re.sub(r"/\*\*.*?\*/", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    packed = len(gzip.compress(code.encode()))
    assert packed <= 61_000, f"{packed} bytes of code"
    assert len(gzip.compress(text.encode())) <= 75_000  # types and comments ship, too: there is no build


def test_every_part_exists_and_is_used():
    names = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    used = {"index.html"}
    for path in STATIC.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            text = path.read_text(encoding="utf-8")
            here = path.parent.relative_to(STATIC).as_posix()
            for found in re.findall(r'(?:from |href=|src=|url\()"\.?/?(static/)?([\w./-]+\.(?:js|css|svg))"', text):
                name = found[1] if found[0] or here == "." else f"{here}/{found[1]}"
                used.add(name.removeprefix("./"))
    assert used == names


def test_no_markup_from_strings_and_no_address_elsewhere():
    for path in STATIC.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert not re.search(r"https?://(?!www\.w3\.org)", text), path
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"style=|onclick|<script(?! type=\"module\" src=)", page)


def test_the_page_is_in_the_package():
    page = files("afmend.apps.web") / "static" / "index.html"
    assert page.is_file()
