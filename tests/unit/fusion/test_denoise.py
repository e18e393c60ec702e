"""The denoiser: as good as an oracle where that costs no signal, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from afmend.fusion.denoise import WIDTHS_PX, Denoised, _Rings, denoised
from afmend.pipeline import Field
from support import assert_heights_close, rough

SHAPE = (96, 140)


def pair(smooth_px: float, noise_nm: float, alpha: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A surface under noise that is correlated along the lines (AR 1)."""
    rng = np.random.default_rng(seed)
    z = rough(SHAPE, seed, 1.0, smooth_px)
    noise = rng.standard_normal((2, *SHAPE))
    for column in range(1, SHAPE[1]):
        noise[:, :, column] = alpha * noise[:, :, column - 1] + np.sqrt(1 - alpha**2) * noise[:, :, column]
    return z, z + noise_nm * noise[0], z + noise_nm * noise[1]


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_the_width_is_nearly_the_best_one(alpha: float) -> None:
    z, trace, retrace = pair(6.0, 0.5, alpha, 3)
    free = denoised(Field(trace, opposite=retrace, direction="trace"), Denoised(least_transfer=0.01))
    errors = [float(np.std(gaussian_filter(0.5 * (trace + retrace), w) - z)) for w in WIDTHS_PX]
    chosen = errors[WIDTHS_PX.index(free.facts["wanted_width_px"])]
    assert chosen < 1.1 * min(errors)
    assert float(np.std(free.heights - z)) < 1.15 * min(errors)
    assert not free.facts["refused"]


def test_signal_is_not_removed() -> None:
    _, trace, retrace = pair(1.2, 0.6, 0.0, 5)
    found = denoised(Field(trace, opposite=retrace, direction="trace"), Denoised())
    assert found.facts["least_transfer"] >= 0.9
    assert found.facts["refused"]
    assert found.facts["width_px"] < found.facts["wanted_width_px"]


def test_a_retrace_is_a_mirrored_trace() -> None:
    _, trace, retrace = pair(4.0, 0.4, 0.0, 7)
    one = denoised(Field(trace, opposite=retrace, direction="trace"), Denoised())
    two = denoised(Field(trace[:, ::-1], opposite=retrace[:, ::-1], direction="retrace"), Denoised())
    assert_heights_close(one.heights, two.heights[:, ::-1], atol_nm=1e-9)
    assert one.facts["width_px"] == two.facts["width_px"]


def test_a_bow_of_one_direction_changes_no_width() -> None:
    _, trace, retrace = pair(4.0, 0.4, 0.0, 7)
    u = np.linspace(-1, 1, SHAPE[1])
    plain = denoised(Field(trace, opposite=retrace, direction="trace"), Denoised())
    bent = denoised(Field(trace, opposite=retrace + 15 * u - 3 * u * u, direction="trace"), Denoised())
    assert bent.facts["width_px"] == plain.facts["width_px"]
    assert bent.facts["risk"][0] == pytest.approx(plain.facts["risk"][0], abs=0.02)


def test_without_another_direction_nothing_happens() -> None:
    z = rough(SHAPE)
    found = denoised(Field(z), Denoised())
    assert "no channel" in found.facts["skipped"]
    assert_heights_close(found.heights, z, atol_nm=0.0)


def test_pure_noise_has_no_signal_to_lose() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.standard_normal((2, *SHAPE))
    assert _Rings(SHAPE).least_transfer(one, -two - one, gaussian_filter(one, 3.0)) == 1.0
