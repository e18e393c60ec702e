"""Whatever happens to a file, a reader gives a scan or one clear error: no crash, no hang, no flood of memory."""

import time
import tracemalloc

import make_bruker
import make_createc
import make_keysight
import make_nanonis
import make_nanosurf
import make_rhk
import make_scala
import make_wsxm
import pytest
from mutations import mutations

import afmend
from afmend.errors import AfmendError

_TWO = [({}, make_bruker.counts()), ({"Line Direction": "Retrace"}, make_bruker.counts(seed=1))]
_PAGE = (0, 0, make_rhk.counts(), {}, make_rhk.STRINGS)
FILES = {
    "bruker.spm": make_bruker.bruker(_TWO),
    "bruker-old.001": make_bruker.old(make_bruker.counts()),
    "createc.dat": make_createc.createc(make_createc.counts()),
    "createc-plain.dat": make_createc.createc(make_createc.counts(), magic="[Parameter]"),
    "keysight.mi": make_keysight.keysight(make_keysight.counts()),
    "keysight-text.mi": make_keysight.keysight([], encoding="ASCII", body=make_keysight.text(make_keysight.counts())),
    "nanonis.sxm": make_nanonis.nanonis(make_nanonis.images()),
    "nanosurf.nid": make_nanosurf.nanosurf([[({}, make_nanosurf.counts())]] * 2),
    "rhk.sm4": make_rhk.rhk([_PAGE, _PAGE]),
    "scala.par": make_scala.par().encode("latin-1"),
    "wsxm.stp": make_wsxm.wsxm(make_wsxm.counts()),
}
HEADS = {"createc.dat": 500, "createc-plain.dat": 500, "bruker.spm": 2500, "bruker-old.001": 400}


@pytest.mark.parametrize("name", sorted(FILES))
def test_scan_or_one_clear_error(tmp_path, name):
    make_scala.write(tmp_path, make_scala.counts())
    path = tmp_path / name
    path.write_bytes(FILES[name])
    assert afmend.read_all(path)
    read, errors = 0, []
    tracemalloc.start()
    for damaged in mutations(FILES[name], 80, name, HEADS.get(name, 60000)):
        path.write_bytes(damaged)
        start = time.perf_counter()
        try:
            read += len(afmend.read_all(path)) > 0
        except AfmendError as error:
            errors.append(error)
        assert time.perf_counter() - start < 5
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()
    assert read
    assert errors
    assert all(error.what and error.where for error in errors)
