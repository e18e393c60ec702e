"""One family of errors. Each says what is wrong, where, and what to do now.

Only error classes belong here; the code that raises them lives in its own room.
"""

from __future__ import annotations


class AfmendError(Exception):
    """Base of every error that afmend raises on purpose.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence, without a final period.
    where : str
        The file, channel, step or parameter it is about; may be empty.
    now : str
        What the user can do about it.
    """

    def __init__(self, what: str, *, where: str = "", now: str = "") -> None:
        super().__init__(what, where, now)
        self.what = what
        self.where = where
        self.now = now

    @property
    def kind(self) -> str:
        """The class name, as printed and as written to JSON."""
        return type(self).__name__

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        now = f" {self.now}" if self.now else ""
        return f"{self.kind}: {where}{self.what}.{now}"

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes whole (keyword arguments defeat the default)."""
        return (_rebuild, (type(self), self.what, self.where, self.now))

    def at(self, where: str) -> AfmendError:
        """Return the same error with ``where`` filled in, if it was empty."""
        return self if self.where else type(self)(self.what, where=where, now=self.now)


def _rebuild(kind: type[AfmendError], what: str, where: str, now: str) -> AfmendError:
    return kind(what, where=where, now=now)


class UnknownFormatError(AfmendError):
    """No reader recognises the file."""


class UnsupportedFileError(AfmendError):
    """The format is known, but this dialect, or a missing extra, stands in the way."""


class CorruptFileError(AfmendError):
    """The file is of a known format but damaged, truncated or contradicts itself."""


class NotAnImageError(AfmendError):
    """The file is sound, but holds curves or spectra instead of an image."""


class MissingChannelError(AfmendError):
    """The scan has no such channel."""


class BadScanError(AfmendError):
    """A scan, channel, grid or mask breaks the rules of the object."""


class BadParameterError(AfmendError):
    """A step's parameter is unknown or out of range."""


class BadRecipeError(AfmendError):
    """A recipe cannot be read or does not make sense."""


class BadMaskError(AfmendError):
    """A mask or polygon file cannot be used with this scan."""


class StepError(AfmendError):
    """A step cannot be applied to this scan."""


class ModelError(AfmendError):
    """A trained model is missing, was changed, or is for something else."""


class WriteError(AfmendError):
    """A result cannot be written."""


class ReplayError(AfmendError):
    """A replay differs from the history."""
