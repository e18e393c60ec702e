import pytest
from make_scala import IMAGES, counts, par, write

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnknownFormatError
from afmend.formats import Verdict
from afmend.formats.omicron_scala import read, recognise
from support import assert_heights_close


@pytest.mark.parametrize("opened", ["toy.par", "toy.tf0", "toy.tb0", "toy.tf1"])
def test_any_file_finds_the_others(tmp_path, opened):
    raw = counts()
    write(tmp_path, raw)
    scan = afmend.read(tmp_path / opened)
    assert [str(key) for key in scan.channels] == ["height/trace", "height/retrace", "current/trace"]
    assert_heights_close(scan.channel("height/trace").values, raw[0] * 1e-3, atol_nm=1e-9)
    assert_heights_close(scan.channel("height/retrace").values, raw[1] * 1e-3, atol_nm=1e-9)
    assert_heights_close(scan.channel("current/trace").values * 1e9, raw[2] * 1e-3, atol_nm=1e-9)
    assert scan.grid.size_nm == pytest.approx((50.0, 70.0))
    assert (scan.grid.angle_deg, scan.grid.offset_fast_nm, scan.grid.offset_slow_nm) == (15.0, 30.0, -4.0)
    assert scan.header["image 1/file"] == "TOY.TF0"


def test_acquisition(tmp_path):
    facts = afmend.read(write(tmp_path, counts())).acquisition
    assert (facts.mode, facts.date, facts.bias_v) == ("STM", "2001-07-05T14:30:00", 0.5)
    assert (facts.setpoint, facts.setpoint_unit, facts.integral_gain) == (pytest.approx(2e-9), "A", 3.0)
    assert facts.line_rate_hz == pytest.approx(1.0)


def test_other_letters_and_directions(tmp_path):
    path = write(tmp_path, counts(1), images=[("ADC1", "Sideways", "V", "toy.tf0")])
    channel = afmend.read(path).channel("adc1")
    assert (channel.direction, channel.unit) == ("unknown", "V")


def test_a_data_file_without_its_parameter_file(tmp_path):
    lonely = tmp_path / "toy.tf0"
    lonely.write_bytes(counts(1).tobytes())
    assert recognise(b"", lonely) is Verdict.NO
    with pytest.raises(UnknownFormatError):
        afmend.read(lonely)
    with pytest.raises(CorruptFileError, match=r"parameter file toy\.par is missing"):
        read(lonely)


def test_a_foreign_file_beside_a_data_file(tmp_path):
    (tmp_path / "toy.par").write_text("something else")
    assert recognise(b"", tmp_path / "toy.tf0") is Verdict.NO
    (tmp_path / "toy.par").unlink()
    (tmp_path / "toy.par").mkdir()
    assert recognise(b"", tmp_path / "toy.tf0") is Verdict.NO
    assert recognise(b"", tmp_path / "nowhere" / "toy.tf0") is Verdict.NO


def test_missing_and_truncated_data(tmp_path):
    path = write(tmp_path, counts())
    (tmp_path / "toy.tf1").write_bytes(b"\0" * 60)
    with pytest.raises(CorruptFileError, match=r"toy\.tf1: the header promises 5 lines, the file holds 4"):
        afmend.read(path)
    (tmp_path / "toy.tb0").unlink()
    with pytest.raises(CorruptFileError, match=r"data file toy\.tb0 is missing"):
        afmend.read(path)


def test_a_path_in_the_header_does_not_lead_out_of_the_folder(tmp_path):
    secret = tmp_path / "secret.tf0"
    secret.write_bytes(b"\0" * 70)
    folder = tmp_path / "scans"
    folder.mkdir()
    path = write(folder, counts(1), images=[("Z", "Forward", "nm", "../secret.tf0")])
    with pytest.raises(CorruptFileError, match=r"data file secret\.tf0 is missing"):
        afmend.read(path)


def test_spectra_are_not_an_image(tmp_path):
    with pytest.raises(NotAnImageError, match="spectra"):
        afmend.read(write(tmp_path, [], images=[], spectra=True))
    with pytest.raises(CorruptFileError, match="lists no images"):
        afmend.read(write(tmp_path, [], images=[]))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"Image Size in X": "0"}, "5 x 0 pixels"),
        ({"Image Size in X": None}, "no 'Image Size in X'"),
        ({"Field X Size in nm": "wide"}, "Field X Size"),
        ({"span": ("5", "5")}, "counts range from 5 to 5"),
        ({"values": ("1", "1")}, "one count is 0"),
        ({"values": ("1", "x")}, "max_value"),
    ],
)
def test_lying_header(tmp_path, facts, message):
    with pytest.raises(CorruptFileError, match=message):
        afmend.read(write(tmp_path, counts(), **facts))


def test_header_that_ends_within_a_channel(tmp_path):
    path = write(tmp_path, counts())
    text = par(IMAGES[:1])
    path.write_text(text[: text.index("0.001 ;Res")], encoding="latin-1")
    with pytest.raises(CorruptFileError, match="no 'file'"):
        afmend.read(path)
