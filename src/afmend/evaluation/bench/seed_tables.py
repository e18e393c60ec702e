"""The seed paper's Table 3, Table 4 and ripple test on twin scans, beside the error against the truth.

Source: Zhang et al., Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional Inpainting
Approach, sections 3.2.3 to 3.2.5. Its own data are not published; where its text is silent, the notes say what was
chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from afmend.errors import BadParameterError
from afmend.evaluation.bench.cases import GAUGE, KEY, Case, case_of
from afmend.evaluation.bench.makers import simulated
from afmend.evaluation.bench.methods import bilinear
from afmend.evaluation.bench.plan import Settings, Unit
from afmend.evaluation.bench.summary import Json, spread
from afmend.evaluation.metrics.gauge import gauge_aligned, gauge_free_rmse
from afmend.evaluation.metrics.seed import mean_gradient, rmse_line, sigma_bg, tilt_removal
from afmend.evaluation.metrics.similarity import robust_peak, ssim
from afmend.pipeline import Recipe, run_recipe
from afmend.pipeline.run import one_blas_thread
from afmend.recipes import apply_step, load_recipe, mark
from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask, adopted

ALPHA, FREQUENCY_PX, ANGLES_DEG = 0.40, 0.01, (0, 90)
"""Ripple: share of the local height, periods per pixel, directions."""
ORDER = 2
LEAST_TILT = 1.0
"""Rise of a plane over the scan, in Sq of the surface, below which there is no tilt to remove."""
THIN = ("dna", "fiber", "fibers")
"""Surfaces like the DNA of the ripple test, if the box has them."""
Line = dict[str, float]


def seed_table(which: str, settings: Settings) -> Json:
    """Repeat one of the tables: "table-3", "table-4" or "ripple".

    Returns
    -------
    dict
        ``title``, ``head``, ``rows`` (texts), ``notes``, and ``numbers``: row -> column -> mean, std, median, p95,
        and of how many scans (``count``).
    """
    tables: dict[str, Callable[[Settings], Json]] = {"table-3": _table_3, "table-4": _table_4, "ripple": _ripple}
    if which not in tables:
        raise BadParameterError(f"no table {which!r}", now=f"There are: {', '.join(tables)}.")
    with one_blas_thread():
        return tables[which](settings)


# ------------------------------------------------------------------ Table 3: leveling
def _table_3(settings: Settings) -> Json:
    found: dict[str, list[Line]] = {}
    for index in range(settings.count):
        case = case_of(simulated(settings, Unit("level", index)))
        if case.hopeless:
            continue
        marked = _seed_part(case.measured, "level.smart_flatten")
        background = ~marked.channels[KEY].holes
        for name, line in _flattened(case, marked, background).items():
            found.setdefault(name, []).append(line)
    columns = {
        "sigma_bg (nm)": "sigma_bg", "RMSE_line (nm)": "rmse_line", "Δ|∇h|": "gradient", "ρ_tilt": "tilt",
        "RMSE to the truth (nm)": "rmse", "RMSE, % of Sq": "percent",
    }  # fmt: skip
    notes = [
        (
            "The first four columns are the paper's, on the background that its mask leaves. RMSE_line: each "
            f"line against its own polynomial of degree {ORDER}, along the direction that the method flattens; it "
            "cannot see offsets between lines, and cannot be compared between rows and columns."
        ),
        (
            "A constant image has sigma_bg, RMSE_line and Δ|∇h| of 0 and removes all tilt: those columns would rank it "
            "first. The paper's means over samples of different scale are repeated; the median of the last column is "
            "the number to look at. ρ_tilt counts only scans that the instrument tilted: the least-squares planes "
            f"both of the background and of measured minus true heights rise by more than {LEAST_TILT:g} Sq of the "
            "surface over the scan. Many are saved with their plane taken away, and the ratio to no tilt means nothing."
        ),
    ]
    return _result("Seed paper, Table 3: flattening", found, columns, notes)


def _flattened(case: Case, marked: Scan, background: Mask) -> dict[str, Line]:
    smart = apply_step(marked, "level.smart_flatten", KEY)
    direction = "slow" if smart.history[-1].facts["direction"] == "columns" else "fast"
    plain = case.measured
    tilted = _is_tilted(case, background)
    results: dict[str, tuple[Heights, str]] = {
        "global polynomial 2": (_heights(apply_step(plain, "level.polynomial", KEY)), "fast"),
        "line by line, rows": (_lines(plain, "horizontal"), "fast"),
        "line by line, columns": (_lines(plain, "vertical"), "slow"),
        "Smart Flatten": (_heights(smart), direction),
        "afmend auto": (_heights(mark(plain, "auto", KEY)), "fast"),
        "a constant image": (np.zeros(case.ideal.shape), "fast"),
    }
    return {
        name: {
            "sigma_bg": sigma_bg(heights, background=background),
            "rmse_line": rmse_line(heights, order=ORDER, along=along, background=background),  # type: ignore[arg-type]
            "gradient": mean_gradient(heights, background=background),
            "tilt": tilt_removal(case.heights, heights, pixel_nm=case.pixel_nm, background=background)
            if tilted
            else math.nan,
            **_truth(heights, case),
        }
        for name, (heights, along) in results.items()
    }


def _is_tilted(case: Case, background: Mask) -> bool:
    """Say whether there is a tilt to remove, in the background and not of the surface's own."""
    measured = _rise(case.heights, background)
    added = _rise(case.heights - case.ideal, case.usable)
    return min(measured, added) > LEAST_TILT * case.sq_nm


def _rise(heights: Heights, counts: Mask) -> float:
    """Rise over the scan of the least-squares plane of the pixels that count, nm."""
    from afmend.leveling.plane import fit_plane, slopes

    slow, fast = slopes(fit_plane(np.where(counts, heights, 0.0), counts), heights.shape)
    return math.hypot(slow * heights.shape[0], fast * heights.shape[1])


def _lines(scan: Scan, direction: str) -> Heights:
    return _heights(apply_step(scan, "level.rows", KEY, method="polynomial", degree=ORDER, direction=direction))


def _truth(heights: Heights, case: Case) -> Line:
    error = gauge_free_rmse(heights, case.ideal, degree=GAUGE, usable=case.usable)
    return {"rmse": error, "percent": 100.0 * error / case.sq_nm}


# ------------------------------------------------------------------ Table 4: restoration
def _table_4(settings: Settings) -> Json:
    found: dict[str, list[Line]] = {}
    used = 0
    for index in range(settings.count):
        case = case_of(simulated(settings, Unit("level", index)))
        flat = _seed_part(case.measured, "mask.expand_lines")
        holes = flat.channels[KEY].holes
        if case.hopeless or not holes.any() or not (case.usable & ~holes).any():
            continue
        used += 1
        for name, heights in _restored(flat, holes).items():
            found.setdefault(name, []).append(_restoration(case, _heights(flat), heights, holes))
    columns = {
        "SSIM to the input": "ssim_input", "sigma_bg (nm)": "sigma_bg", "SSIM to the truth": "ssim_truth",
        "RMSE in the mask (nm)": "rmse", "in % of Sq": "percent", "good pixels changed (%)": "changed",
    }  # fmt: skip
    notes = [
        (
            f"{used} of {settings.count} scans had something in the seed's mask. All rows start from the same Smart "
            "Flatten and the same mask; the last row then grows it to whole lines."
        ),
        (
            "The paper does not say what SSIM compares with: the first column takes the flattened input, which rewards "
            "changing little. sigma_bg is measured outside the mask, where a restorer must not change anything: "
            "whoever lowers it has altered good pixels (last column)."
        ),
    ]
    return _result("Seed paper, Table 4: restoration after Smart Flatten", found, columns, notes)


def _restored(flat: Scan, holes: Mask) -> dict[str, Heights]:
    heights = _heights(flat)
    rest = load_recipe("seed").steps
    after = rest[[use.step for use in rest].index("mask.expand_lines") :]
    return {
        "bilinear": bilinear(heights, holes, flat.grid.pixel_nm),
        "kriging": _heights(apply_step(flat, "fill.kriging", KEY)),
        "Telea (no expand)": _heights(apply_step(flat, "fill.telea", KEY)),
        "seed (expand + directional + smooth)": _heights(_run(flat, after)),
        "afmend fill.auto": _heights(apply_step(flat, "fill.auto", KEY)),
    }


def _restoration(case: Case, flat: Heights, heights: Heights, holes: Mask) -> Line:
    peak, zero = robust_peak(case.ideal), float(case.ideal.min())
    aligned = gauge_aligned(heights, case.ideal, degree=GAUGE, usable=case.usable & ~holes)
    before = gauge_aligned(flat, case.ideal, degree=GAUGE, usable=case.usable & ~holes)
    error = math.sqrt(float(np.mean((aligned - case.ideal)[holes] ** 2)))
    changed = (heights != flat) & ~holes
    return {
        "ssim_input": ssim(aligned - zero, before - zero, range_nm=peak),
        "sigma_bg": sigma_bg(heights, background=~holes),
        "ssim_truth": ssim(aligned - zero, case.ideal - zero, range_nm=peak),
        "rmse": error,
        "percent": 100.0 * error / case.sq_nm,
        "changed": 100.0 * float(np.count_nonzero(changed)) / float(np.count_nonzero(~holes)),
    }


# ------------------------------------------------------------------ ripple
def ripple(heights: Heights, theta_deg: float, phase: float) -> Heights:
    """Add the ripple of the seed paper: ``z + alpha |z| sin(2 pi f (i sin theta + j cos theta) + phase)``.

    i is the row, j the column, z the height above the lowest pixel, in nm.
    """
    z = heights - heights.min()
    i, j = np.mgrid[: z.shape[0], : z.shape[1]].astype(np.float64)
    theta = math.radians(theta_deg)
    wave = np.sin(2 * math.pi * FREQUENCY_PX * (i * math.sin(theta) + j * math.cos(theta)) + phase)
    rippled: Heights = z + ALPHA * np.abs(z) * wave
    return rippled


def _ripple(settings: Settings) -> Json:
    found: dict[str, list[Line]] = {}
    for index in range(settings.count):
        scan = simulated(settings, Unit("harm", index), like=THIN)
        case = case_of(scan)
        phase = float(np.random.default_rng(settings.seed_of(index)).uniform(0, 2 * math.pi))
        for theta in ANGLES_DEG:
            damaged = ripple(case.ideal, theta, phase)
            for name, heights in _unrippled(case.measured, damaged).items():
                error = gauge_free_rmse(heights, case.ideal, degree=GAUGE)
                line = {"sigma_bg": sigma_bg(heights), "rmse": error, "percent": 100.0 * error / case.sq_nm}
                found.setdefault(f"{theta}°: {name}", []).append(line)
    columns = {"sigma_bg (nm)": "sigma_bg", "RMSE to the truth (nm)": "rmse", "RMSE, % of Sq": "percent"}
    found = {name: found[name] for theta in ANGLES_DEG for name in found if name.startswith(f"{theta}°:")}
    notes = [
        (
            "0° = along the lines, 90° = across them. The ripple is proportional to the local height and has a period "
            "of 100 pixels. The paper shows pictures only. An error that is a polynomial of degree 2 does not count."
        ),
    ]
    title = (
        f"Seed paper, ripple of {ALPHA:.0%} of the local height, {FREQUENCY_PX} periods per pixel, on noise-free maps"
    )
    return _result(title, found, columns, notes)


def _unrippled(scan: Scan, heights: Heights) -> dict[str, Heights]:
    channel = scan.channels[KEY].evolve(values=adopted(heights.copy()))
    damaged = Scan.of(scan.grid, [channel])
    smart = _seed_part(damaged, "mask.expand_lines")
    return {
        "nothing": heights,
        "global polynomial 2": _heights(apply_step(damaged, "level.polynomial", KEY)),
        "Smart Flatten": _heights(smart),
        "median of differences": _heights(apply_step(damaged, "level.rows", KEY, method="median_difference")),
        "afmend auto": _heights(mark(damaged, "auto", KEY)),
    }


# ------------------------------------------------------------------ shared
def _seed_part(scan: Scan, until: str) -> Scan:
    """Run the recipe "seed" up to, and without, a step."""
    steps = load_recipe("seed").steps
    return _run(scan, steps[: [use.step for use in steps].index(until)])


def _run(scan: Scan, uses: Sequence[Any]) -> Scan:
    from afmend.catalogue import find_step

    return run_recipe(scan, Recipe(name="part", steps=tuple(uses)), find_step, channel=KEY)


def _heights(scan: Scan) -> Heights:
    return np.asarray(scan.channels[KEY].values, dtype=np.float64)


def _result(title: str, found: Mapping[str, Sequence[Line]], columns: Mapping[str, str], notes: Sequence[str]) -> Json:
    numbers = {
        name: {key: spread(np.array([line[key] for line in lines])) for key in columns.values()}
        for name, lines in found.items()
    }
    rows = [[name, *(_cell(numbers[name][key]) for key in columns.values())] for name in found]
    head = ["method (mean ± std; median)", *columns]
    return {"title": title, "head": head, "rows": rows, "notes": list(notes), "numbers": numbers}


def _cell(found: Json) -> str:
    from afmend.pictures.numerals import plain

    if found["mean"] is None:
        return "–"
    return f"{plain(found['mean'])} ± {plain(found['std'])}; {plain(found['median'])}"
