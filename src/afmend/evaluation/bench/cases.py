"""A case: a scan as it was measured, and beside it, out of the methods' sight, what is known about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import AfmendError, BadScanError, MissingChannelError, StepError
from afmend.evaluation.metrics.leveling import Details, details_of
from afmend.evaluation.metrics.metrology import terrace_areas
from afmend.scan import ChannelKey, Masks, Scan
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.access import as_measured

KEY = ChannelKey("height", "trace")
"""The channel that methods work on; they may look at all others of the measured scan."""
MENDED_BY_LEVELING = ("offset",)
"""Kinds of artifact that a leveling should mend: their pixels count when levelings are scored."""
SOFT = ("lag", "line_jump", "tip_change", *MENDED_BY_LEVELING)
"""Kinds that no detector is asked to mark: the everyday lag of a loop on slopes, what leveling mends, lines in which
everything starts to lie higher, and what another tip recorded. To mark them is neither right nor wrong."""
FEWEST_USABLE = 0.1
SMALLEST_PX = 32
"""Lines and columns that a scan must have."""
_FLAT = 1e-9
GAUGE = 2
"""Nobody can know tilt and bow: errors that are a polynomial of this degree do not count."""
_SIGMA_OF_MAD = 1.4826


class UnfitScanError(BadScanError):
    """A scan that a task cannot use; it is left out, and counted with this reason."""


@dataclass(frozen=True, eq=False)
class Case:
    """One scan of the benchmark.

    Attributes
    ----------
    name : str
        "shifted-7", or the file's path in the folder of data, with the scan's number: no two cases share it.
    family : str
        What kind of surface it is.
    measured : Scan
        What methods see: heights and errors in both directions, nothing of what follows.
    ideal : (rows, cols) float64, nm
        What a perfect instrument with this tip would have recorded at the places really visited.
    masks : mapping of artifact kind to (rows, cols) bool
        Where the measured heights are wrong, and why.
    missing : (rows, cols) bool
        What was never recorded.
    groups : mapping of str to str
        By what the tables break down: "family", and what a task adds.
    facts : mapping
        What the twin tells about the scan.
    holes : (rows, cols) bool or None
        For filling: the pixels to fill.
    surface : mapping
        Parameters of the surface, as the twin tells them; "parts" holds those of surfaces that make up a mixed one.
    """

    name: str
    family: str
    measured: Scan
    ideal: Heights
    masks: Mapping[str, Mask] = field(default_factory=dict)
    missing: Mask | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    holes: Mask | None = None
    surface: Mapping[str, Any] = field(default_factory=dict)

    @property
    def heights(self) -> Heights:
        """The measured heights, nm."""
        return np.asarray(self.measured.channels[KEY].values, dtype=np.float64)

    @property
    def pixel_nm(self) -> tuple[float, float]:
        """(slow, fast) pixel size."""
        return self.measured.grid.pixel_nm

    def _of(self, kinds: Iterable[str]) -> Mask:
        kept = {kind: self.masks[kind] for kind in kinds if kind in self.masks}
        return Masks(artifact=kept).union("artifact", shape=self.ideal.shape)

    @cached_property
    def damaged(self) -> Mask:
        """Pixels of any artifact kind but those that leveling mends."""
        return self._of(self.masks.keys() - MENDED_BY_LEVELING)

    @cached_property
    def to_find(self) -> Mask:
        """Pixels that a detector is asked to mark."""
        return self._of(self.masks.keys() - SOFT)

    @cached_property
    def soft(self) -> Mask:
        """Pixels that are neither right nor wrong to mark, unless they are `to_find`, too."""
        return self._of(SOFT)

    @cached_property
    def recorded(self) -> Mask:
        """Pixels that were measured, rightly or not."""
        return np.ones(self.ideal.shape, dtype=np.bool_) if self.missing is None else ~self.missing

    @cached_property
    def usable(self) -> Mask:
        """Pixels that were measured, and measured rightly: where levelings are scored."""
        return self.recorded & ~self.damaged

    @property
    def clean(self) -> bool:
        """Whether nothing was switched on that damages a scan: as the twin says, or else, whether no mask says so."""
        return bool(self.facts.get("clean", not self.masks))

    @property
    def hopeless(self) -> bool:
        """Whether less than a tenth of the scan was measured rightly: no leveling can be judged on that."""
        return float(np.mean(self.usable)) < FEWEST_USABLE

    @cached_property
    def sq_nm(self) -> float:
        """Sq of the ideal surface without the polynomial of degree `GAUGE` that nobody can know."""
        from afmend.evaluation.metrics.gauge import gauge_free_rmse

        return gauge_free_rmse(self.ideal, np.zeros(self.ideal.shape), degree=GAUGE, usable=self.usable)

    @cached_property
    def details(self) -> Details:
        """What of the ideal surface no curve of a line can hide; see `metrics.leveling.details_of`."""
        return details_of(self.ideal, self.usable)

    @cached_property
    def terraces(self) -> tuple[Mask, ...]:
        """Areas of the ideal surface's terraces, lowest first; empty if it has no clear ones."""
        return terrace_areas(self.ideal, self.recorded)

    @cached_property
    def noise_nm(self) -> float:
        """Standard deviation of the noise of neighboring usable pixels of a line, from the known surface."""
        rest = self.heights - self.ideal
        both = self.usable[:, 1:] & self.usable[:, :-1]
        steps = np.diff(rest, axis=1)[both]
        if steps.size == 0:
            return float("nan")
        return float(_SIGMA_OF_MAD * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2.0))


def case_of(scan: Scan, *, name: str = "", family: str = "") -> Case:
    """Take apart a scan that holds its own truth, as the twin makes it.

    Parameters
    ----------
    scan : Scan
        With the channels height/trace and ideal/trace on one grid, in nm; the artifact masks of ideal/trace say
        where height/trace is wrong. Truth, retrace and error channels may be there.
    name, family : str, optional
        Else the name of the source, and what the history says.

    Raises
    ------
    MissingChannelError, BadScanError
        If the scan does not hold what a case needs.
    """
    name = name or scan.source.file
    missing = [key for key in (KEY, ChannelKey("ideal", "trace")) if key not in scan.channels]
    if missing:
        raise MissingChannelError(
            f"a case of the benchmark needs the channels height/trace and ideal/trace; there is no {missing[0]}",
            where=name, now="`afmend twin` writes such files; docs/how-to/bench.md says how to write your own.",
        )  # fmt: skip
    height, ideal = scan.channels[KEY], scan.channels[ChannelKey("ideal", "trace")]
    if height.unit != "nm" or ideal.unit != "nm" or not scan.calibrated:
        raise BadScanError("the benchmark measures in nm, and the scan is not calibrated in nm", where=name,
                           now="Write heights in nm and the size of the scan.")  # fmt: skip
    family = family or family_of(scan)
    unknown = None if height.masks.missing is None and ideal.masks.missing is None else height.missing | ideal.missing
    return Case(
        name, family, as_measured(scan), np.asarray(ideal.values, dtype=np.float64), dict(ideal.masks.artifact),
        unknown, {"family": family}, _facts(scan), surface=_surface(scan),
    )  # fmt: skip


def check_fit(case: Case) -> None:
    """Check that errors against the case's surface mean something.

    Raises
    ------
    UnfitScanError
        If it is tiny or flat, or too little of it was measured rightly.
    """
    rows, cols = case.ideal.shape
    if min(rows, cols) < SMALLEST_PX:
        raise UnfitScanError(f"smaller than {SMALLEST_PX} x {SMALLEST_PX} px")
    if case.hopeless:
        raise UnfitScanError(f"less than {FEWEST_USABLE:.0%} was measured rightly")
    try:
        sq = case.sq_nm
    except StepError as error:
        raise UnfitScanError(error.what) from error
    if not sq > _FLAT * float(np.max(np.abs(case.ideal))):
        raise UnfitScanError("its surface is flat")


def _facts(scan: Scan) -> dict[str, Any]:
    return dict(scan.history[-1].facts) if scan.history else {}


def family_of(scan: Scan) -> str:
    """Say what kind of surface a scan of the twin shows; "unknown" if its history does not tell."""
    return str(_surface(scan).get("kind") or scan.header.get("family") or "unknown")


def _surface(scan: Scan) -> Mapping[str, Any]:
    surface = scan.history[0].params.get("surface") if scan.history else None
    return surface if isinstance(surface, Mapping) else {}


@lru_cache(maxsize=4)
def cases_in(folder: Path) -> tuple[tuple[Path, int, int], ...]:
    """List the scans in the HDF5 files of a folder and its subfolders, by name: (file, number, of how many).

    A file that cannot be read is listed as one scan.

    Raises
    ------
    MissingChannelError
        If there are none.
    """
    from afmend.formats import hdf5

    found = []
    for path in sorted(path for path in folder.rglob("*.h5") if path.is_file()):
        try:
            with hdf5.opened(path) as file:
                count = len(hdf5.names(hdf5.group(file, "scans")))
        except AfmendError:
            count = 1  # whoever reads it is told why it cannot be read
        found += [(path, number, count) for number in range(count)]
    if not found:
        raise MissingChannelError("there is no .h5 file in the folder", where=str(folder),
                                  now="`afmend twin --set shifted --count 50 -o FOLDER` writes some.")  # fmt: skip
    return tuple(found)


@lru_cache(maxsize=1)
def scans_of(path: Path) -> tuple[Scan, ...]:
    """Read a file with scans; the last one is kept, for its scans are asked for one after the other."""
    from afmend.formats import read_all

    return read_all(path)
