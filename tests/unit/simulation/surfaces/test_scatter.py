import numpy as np

from afmend.simulation.surfaces.scatter import cells, place_numbers


def test_numbers_belong_to_the_place():
    i, j = cells((-50.0, -20.0), (130.0, 90.0), 10.0)
    drawn = place_numbers(7, i, j, 3)
    assert drawn.shape == (3, i.size, j.size)
    one = place_numbers(7, i[4:5], j[:, 6:7], 3)
    assert np.array_equal(drawn[:, 4:5, 6:7], one)
    assert not np.array_equal(drawn, place_numbers(8, i, j, 3))


def test_numbers_are_uniform_and_independent():
    i, j = cells((-2e3, -3e3), (2e3, 3e3), 10.0)
    drawn = place_numbers(0, i, j, 2)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert np.abs(counts / counts.mean() - 1).max() < 0.05
    for a, b in ((drawn[0], drawn[1]), (drawn[0, 1:], drawn[0, :-1]), (drawn[0, :, 1:], drawn[0, :, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.015


def test_cells_cover_the_rectangle():
    i, j = cells((-1.0, 0.0), (25.0, 9.0), 10.0)
    assert i.ravel().tolist() == [-1, 0, 1, 2]
    assert j.ravel().tolist() == [0]
