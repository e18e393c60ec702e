"""The register of formats, and the way from a path to a reader and back."""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType

from afmend.errors import AfmendError, CorruptFileError, UnknownFormatError, UnsupportedFileError, WriteError
from afmend.scan import Scan, Source

HEAD_BYTES = 65536


class Verdict(Enum):
    """What a format says about a file's first bytes."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One supported format; its package is imported on first use."""

    id: str
    title: str
    extensions: tuple[str, ...]
    writable: bool = False

    @property
    def module(self) -> ModuleType:
        """The package with ``recognise``, ``read`` and perhaps ``write``."""
        return import_module(f"afmend.formats.{self.id}")


FORMATS: tuple[FileFormat, ...] = (
    FileFormat("afmend_h5", "afmend HDF5", (".h5",), writable=True),
    FileFormat("asylum", "Asylum Research / Igor binary wave", (".ibw",)),
    FileFormat("bcrf", "SPIP / Image Metrology BCR", (".bcr", ".bcrf")),
    FileFormat("bruker", "Bruker Nanoscope", (".spm", ".000", ".001", ".002")),
    FileFormat("createc", "Createc", (".dat",)),
    FileFormat("gsf", "Gwyddion Simple Field", (".gsf",), writable=True),
    FileFormat("gwyddion", "Gwyddion", (".gwy",), writable=True),
    FileFormat("hsafm", "high-speed AFM movie", (".asd",)),
    FileFormat("image", "plain picture", (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")),
    FileFormat("jpk", "JPK image", (".jpk", ".jpk-qi-image")),
    FileFormat("jpk_h5", "JPK movie", (".h5-jpk",)),
    FileFormat("keysight", "Keysight PicoView", (".mi",)),
    FileFormat("nanonis", "Nanonis", (".sxm",)),
    FileFormat("nanosurf", "Nanosurf", (".nid",)),
    FileFormat("numpy_file", "NumPy array", (".npz", ".npy"), writable=True),
    FileFormat("omicron_scala", "Omicron SCALA", (".par", ".tf0", ".tf1", ".tb0", ".tb1")),
    FileFormat("park", "Park Systems TIFF", (".tiff", ".tif")),
    FileFormat("png", "PNG picture with scale bar and color bar (write only)", (".png",), writable=True),
    FileFormat("rhk", "RHK", (".sm4",)),
    FileFormat("surf", "Digital Surf", (".sur", ".pro")),
    FileFormat("text", "matrix of numbers", (".txt", ".asc"), writable=True),
    FileFormat("tiff", "calibrated TIFF", (".tif", ".tiff"), writable=True),
    FileFormat("topostats", "TopoStats result", (".topostats",)),
    FileFormat("wsxm", "WSxM", (".stp", ".top")),
)
"""All formats, in the order in which they are asked."""
OTHER = FileFormat("other", "a format that SurfaceTopography reads", ())
"""Asked when no format recognises a file; needs the extra ``formats``."""


def identify(path: str | Path) -> FileFormat:
    """Say which format a file has, by its content.

    Raises
    ------
    UnknownFormatError
        If no format recognises it, or two do.
    CorruptFileError
        If it is empty or cannot be opened.
    """
    path = Path(path)
    head = _head(path)
    verdicts = {form: form.module.recognise(head, path) for form in FORMATS}
    for wanted in (Verdict.YES, Verdict.MAYBE):
        hits = [form for form, verdict in verdicts.items() if verdict is wanted]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise UnknownFormatError(
                f"could be {' or '.join(form.title for form in hits)}", where=path.name,
                now="Please report this file: two readers claim it.",
            )  # fmt: skip
    if OTHER.module.recognise(head, path) is Verdict.MAYBE:
        return OTHER
    more = "SurfaceTopography does not read it either."
    if OTHER.module.library() is None:
        more = "`pip install 'afmend[formats]'` adds more."
    raise UnknownFormatError(
        f"no reader recognises its first bytes ({head[:12]!r})", where=path.name,
        now=f"`afmend info --formats` lists what afmend reads; {more}",
    )  # fmt: skip


def _head(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise CorruptFileError("is not a regular file", where=path.name, now="Name a file with a scan in it.")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CorruptFileError(f"cannot be opened ({reason})", where=path.name, now="Check path and rights.") from error
    if not head:
        raise CorruptFileError("the file is empty", where=path.name, now="Copy it again from the instrument.")
    return head


def read_all(path: str | Path) -> tuple[Scan, ...]:
    """Read every image of a file: a movie gives its frames, a container its images.

    Raises
    ------
    AfmendError
        One clear error for anything that cannot be read: `UnknownFormatError`, `CorruptFileError`,
        `NotAnImageError`, `UnsupportedFileError`.
    """
    path = Path(path)
    form = identify(path)
    try:
        scans = form.module.read(path)
    except AfmendError as error:
        raise error.at(path.name) from error
    return tuple(replace(scan, source=_source(scan, path, form, i, len(scans))) for i, scan in enumerate(scans))


def _source(scan: Scan, path: Path, form: FileFormat, index: int, count: int) -> Source:
    if scan.source.file:
        return replace(scan.source, stored=form.id)
    name = path.name.encode("utf-8", "backslashreplace").decode("utf-8")  # stray bytes in a name must not stop a writer
    return Source(name, form.id, index, count)


def read(path: str | Path, frame: int | None = None) -> Scan:
    """Read one scan.

    Parameters
    ----------
    path : str or Path
    frame : int, optional
        Which image of a file that holds several (a movie, a container); counted from 0, never negative.

    Raises
    ------
    AfmendError
        As `read_all`; and `UnsupportedFileError` if the file holds several images and ``frame`` is not given.
    """
    scans = read_all(path)
    if frame is None and len(scans) > 1:
        raise UnsupportedFileError(
            f"holds {len(scans)} images", where=Path(path).name,
            now="Use afmend.read_all(path), or afmend.read(path, frame=0).",
        )  # fmt: skip
    index = frame or 0
    if not 0 <= index < len(scans):
        raise UnsupportedFileError(
            f"has no image {index}", where=Path(path).name, now=f"It holds images 0 to {len(scans) - 1}."
        )
    return scans[index]


def write(scan: Scan, path: str | Path, form: str | None = None) -> Path:
    """Write a scan; the format follows from the extension, or from ``form``. All or nothing.

    Raises
    ------
    WriteError
        If the format is unknown, or the disk refuses.
    """
    path = Path(path)
    found = _writer(path, form)
    with replacing(path) as temporary:
        try:
            found.module.write(scan, temporary)
        except AfmendError as error:
            raise error.at(path.name) from error
        except RuntimeError as error:  # h5py's word for a disk that is full when the file is closed
            raise _refused(error, temporary, path) from error
    return path


def _refused(error: Exception, temporary: Path, path: Path) -> WriteError:
    """Return one error that names the file the user knows, not the temporary one."""
    reason = (getattr(error, "strerror", None) or str(error)).replace(str(temporary), str(path))
    return WriteError(f"cannot be written ({reason})", where=str(path), now="Is the disk full?")


def _writer(path: Path, form: str | None) -> FileFormat:
    writable = [f for f in FORMATS if f.writable]
    for candidate in writable:
        if candidate.id == form or (form is None and path.suffix.lower() in candidate.extensions):
            return candidate
    known = ", ".join(f"{f.id} ({' '.join(f.extensions)})" for f in writable)
    raise WriteError(
        f"no writer for {form or path.suffix or 'no extension'!r}",
        where=path.name,
        now=f"There are: {known}.",
    )


def temporary_prefix() -> str:
    """Names of unfinished files start so; the host and process say whether somebody still writes them."""
    return f".afmend-{platform.node()[:40]}-{os.getpid()}-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it there at the end: readers see the old or the new file.

    The temporary name keeps the extension. On an error nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(), suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise WriteError(
            f"cannot write there ({error.strerror})", where=str(path), now="Choose another folder."
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise _refused(error, temporary, path) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
