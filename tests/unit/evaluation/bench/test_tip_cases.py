import numpy as np
import pytest

from afmend.errors import AfmendError
from afmend.evaluation.bench.seed_tip import blurred, seed_tip
from afmend.evaluation.bench.tip_cases import tip_case
from afmend.tip import erode
from support import rough

SHAPE = (64, 80)


def test_a_single_tip_only_raises_the_surface():
    case = tip_case("train", 5, "particles", shape=SHAPE)
    assert case.surface.shape == case.image.shape == SHAPE
    assert (case.image - case.surface).min() > -6 * case.noise_nm
    assert case.ghost_px is None
    inner = (slice(8, -8),) * 2
    raw = np.mean((case.image - case.surface)[inner] ** 2)
    assert np.mean((erode(case.image, case.tip()) - case.surface)[inner] ** 2) < raw
    again = tip_case("train", 5, "particles", shape=SHAPE)
    assert np.array_equal(case.image, again.image)


def test_a_double_tip_raises_it_further_and_says_where_ghosts_are():
    one, two = (tip_case("train", 5, "particles", shape=SHAPE, double=d) for d in (False, True))
    assert 6 <= np.hypot(*two.ghost_px) <= 20
    assert two.image.mean() > one.image.mean() - 0.1
    assert two.shape.kind == "multiple"
    assert two.tip().shape > one.tip().shape


def test_refuses_unknown_surfaces():
    with pytest.raises(AfmendError, match="moon"):
        tip_case("train", 5, "moon", shape=SHAPE)


def test_the_seeds_gaussian_shifts_and_blurs():
    z = rough(SHAPE)
    seen = blurred(z, np.random.default_rng(0))
    assert seen.std() < z.std()
    assert seen.shape == z.shape


def test_learned_methods_can_take_part():
    told = seed_tip("train", 0, 1, 64, {"gaussian": {"mean of all": lambda z: np.full(z.shape, z.mean())}})
    rows = [row[0] for row in told["rows"] if row[1] == "mean of all"]
    assert rows
    assert all("Gaussian" in row for row in rows)
