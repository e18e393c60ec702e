"""The three roles of a mask, never mixed: missing, artifact, foreground. True = excluded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.scan.arrays import Mask, check_mask, digest, frozen

Role: TypeAlias = Literal["missing", "artifact", "foreground"]


@dataclass(frozen=True, slots=True)
class Masks:
    """What is known to be special about the pixels of one channel.

    Attributes
    ----------
    missing : (rows, cols) bool or None
        Never measured. The heights there mean nothing until they are filled.
    artifact : mapping of artifact kind to (rows, cols) bool
        Measured wrongly, one mask per kind ("scar", "spike", ...).
    foreground : mapping of origin to (rows, cols) bool
        Right, but must not steer a background fit. Exclusions drawn by the user are origin "drawn".
    """

    missing: Mask | None = None
    artifact: Mapping[str, Mask] = field(default_factory=dict)
    foreground: Mapping[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.missing is not None:
            object.__setattr__(self, "missing", frozen(self.missing) if self.missing.any() else None)
        for role in ("artifact", "foreground"):
            named = {name: frozen(mask) for name, mask in getattr(self, role).items() if mask.any()}
            object.__setattr__(self, role, MappingProxyType(dict(sorted(named.items()))))

    def check(self, shape: tuple[int, int]) -> None:
        """Raise `BadScanError` unless every mask is boolean and of ``shape``."""
        if self.missing is not None:
            check_mask(self.missing, shape, "missing")
        for role in ("artifact", "foreground"):
            for name, mask in getattr(self, role).items():
                check_mask(mask, shape, f"{role} {name!r}")

    def union(self, *roles: Role, shape: tuple[int, int]) -> Mask:
        """Return the pixels that carry any of ``roles``, as a new writable array."""
        out = np.zeros(shape, dtype=np.bool_)
        for role in roles:
            if role == "missing":
                if self.missing is not None:
                    out |= self.missing
            else:
                for mask in getattr(self, role).values():
                    out |= mask
        return out

    def with_mask(self, role: Role, name: str, mask: Mask) -> Masks:
        """Return masks with one entry set (replaced if it was there); an empty mask removes it."""
        if role == "missing":
            return replace(self, missing=mask)
        if role == "artifact":
            return replace(self, artifact={**self.artifact, name: mask})
        return replace(self, foreground={**self.foreground, name: mask})

    def with_added(self, role: Role, name: str, mask: Mask) -> Masks:
        """Return masks with ``mask`` united into one entry."""
        old: NDArray[Any] | None = self.missing if role == "missing" else getattr(self, role).get(name)
        if old is not None and old.shape != mask.shape:
            raise BadScanError(f"a mask of shape {mask.shape} cannot join one of shape {old.shape}")
        return self.with_mask(role, name, mask if old is None else old | mask)

    def items(self) -> list[tuple[Role, str, Mask]]:
        """List every mask as (role, name, mask), in a fixed order."""
        out: list[tuple[Role, str, Mask]] = []
        if self.missing is not None:
            out.append(("missing", "missing", self.missing))
        out.extend(("artifact", name, mask) for name, mask in self.artifact.items())
        out.extend(("foreground", name, mask) for name, mask in self.foreground.items())
        return out

    def digest(self) -> str:
        """Hash of all masks with their roles and names; mappings compare by content."""
        parts = [f"{role}/{name}={digest(mask)}" for role, name, mask in self.items()]
        return digest(np.frombuffer("|".join(parts).encode(), dtype=np.uint8))

    def __reduce__(self) -> tuple[object, ...]:
        return (Masks, (self.missing, dict(self.artifact), dict(self.foreground)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masks) and self.digest() == other.digest()

    __hash__ = None  # type: ignore[assignment]
