import os

import pytest

from afmend.apps.web.roots import OutsideError, Roots, plain_name


@pytest.fixture
def roots(tmp_path):
    inside = tmp_path / "scans"
    (inside / "deep").mkdir(parents=True)
    (inside / "a b%.spm").write_bytes(b"1")
    (inside / "deep" / "c.spm").write_bytes(b"22")
    (inside / ".hidden").write_bytes(b"3")
    (tmp_path / "secret.txt").write_text("no")
    return Roots({"root": inside})


@pytest.mark.parametrize(
    "ref",
    [
        "root/../secret.txt", "root/%2e%2e/secret.txt", "root/..%2fsecret.txt", "root/..%5csecret.txt", "/etc/passwd",
        "root/%2fetc%2fpasswd", "root/deep/../../secret.txt", "other/x", "", "root//etc/passwd", "root/deep%00.spm",
        "root/.", "root/./deep", "../root", "root/", "root/\\\\host\\share",
    ],
)  # fmt: skip
def test_nothing_outside(roots, ref):
    with pytest.raises(OutsideError):
        roots.path(ref)


def test_links_that_lead_out_are_refused_and_not_listed(roots, tmp_path):
    (roots["root"] / "link.spm").symlink_to(tmp_path / "secret.txt")
    (roots["root"] / "linked").symlink_to(tmp_path)
    for ref in ("root/link.spm", "root/linked/secret.txt", "root/linked"):
        with pytest.raises(OutsideError):
            roots.path(ref)
    assert [one.name for one in roots.browse("root")[0]] == ["deep", "a b%.spm"]


def test_links_inside_are_followed(roots):
    (roots["root"] / "other").symlink_to(roots["root"] / "deep")
    assert roots.path("root/other/c.spm").read_bytes() == b"22"


def test_what_is_listed_can_be_opened(roots):
    entries, cut = roots.browse("root")
    assert not cut
    assert [(one.name, one.folder, one.size) for one in entries][1] == ("a b%.spm", False, 1)
    assert roots.path(entries[1].ref).read_bytes() == b"1"
    deep = roots.browse(entries[0].ref)[0]
    assert roots.path(deep[0].ref).read_bytes() == b"22"


def test_names_with_stray_bytes(roots):
    name = os.fsdecode(b"bad\xff\n.spm")
    (roots["root"] / name).write_bytes(b"4")
    entry = next(one for one in roots.browse("root")[0] if one.size == 1 and "bad" in one.name)
    assert entry.ref.isascii()
    assert entry.name.isprintable()
    assert roots.path(entry.ref).read_bytes() == b"4"


def test_a_file_is_no_folder(roots):
    with pytest.raises(OutsideError, match="listed"):
        roots.browse("root/deep/c.spm")


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("scan.spm", "scan.spm"), ("C:\\data\\scan.spm", "scan.spm"), ("../../etc/passwd", "passwd"),
        ("CON", "scan_CON"), ("nul.spm", "scan_nul.spm"),
        ("a:b.spm", "a_b.spm"), ("trailing. ", "trailing"), ("..", "scan"), ("", "scan"),
        ("x\x00\ny.spm", "x__y.spm"), ("com1.gwy", "scan_com1.gwy"), ("<img onerror=1>.spm", "_img onerror=1_.spm"),
        ("/", "scan"), ("a" * 300 + ".gwy", "a" * 100 + ".gwy"), ("über µ.spm", "über µ.spm"),
        ("試料" * 60 + ".spm", "試料" * 25 + ".spm"), ("x." + "é" * 50, "x." + "é" * 15), ("\ud800.spm", "_.spm"),
    ],
)  # fmt: skip
def test_plain_names(wish, name):
    assert plain_name(wish) == name
