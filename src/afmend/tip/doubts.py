"""What there is to object to a radius: the image forbids it, or no tip has it."""

from __future__ import annotations

from afmend.tip.estimate import TipEstimate

ATOM_NM = 0.1
"""Radius of an atom, about: no tip is sharper."""


def given_doubts(radius_nm: float, image_says: TipEstimate) -> list[str]:
    """Say what contradicts a given radius: an image holds nothing sharper than the tip that made it.

    Parameters
    ----------
    radius_nm : float
        The radius that somebody gave.
    image_says : TipEstimate
        Of the image that it is to be used on.

    Returns
    -------
    list of str
        Empty if nothing does.
    """
    most = image_says.interval_nm[1]
    found = size_doubts(radius_nm)
    if image_says.verdict != "none" and radius_nm > most:
        found.append(
            f"the image holds features sharper than a tip of {radius_nm:.3g} nm: it was imaged by one of at most "
            f"{most:.2g} nm, or they are noise; with this radius heights come out too low"
        )
    return found


def size_doubts(*radii_nm: float | None) -> list[str]:
    """Say that the least of some radii (None or nan: unknown) is smaller than an atom; empty if none is."""
    tiny = [radius for radius in radii_nm if radius is not None and radius < ATOM_NM]
    if not tiny:
        return []
    said = (
        f"a radius of {min(tiny):.2g} nm is smaller than an atom (about {ATOM_NM:g} nm): it says how rounded the image "
        "is at the scale of its pixels, not how sharp the tip is; check the size of the pixels"
    )
    return [said]
