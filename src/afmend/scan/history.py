"""What was done to a scan, in enough detail to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from afmend.scan.channel import ChannelKey


@dataclass(frozen=True, slots=True)
class Record:
    """One applied step.

    Attributes
    ----------
    step : str
        Identifier in the catalogue, for example "level.rows".
    version : str
        Version of the step: changed results mean a new version.
    params : mapping
        Every parameter, JSON types only, random choices included.
    channel : ChannelKey
        What it was applied to.
    before, after : str
        Hashes of the channel (values, masks, uncertainty).
    afmend : str
        Version of afmend.
    facts : mapping
        What the step found out, JSON types only. Informative; not needed for a replay.
    """

    step: str
    version: str
    params: Mapping[str, Any]
    channel: ChannelKey
    before: str
    after: str
    afmend: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "step": self.step,
            "version": self.version,
            "params": dict(self.params),
            "channel": list(self.channel),
            "before": self.before,
            "after": self.after,
            "afmend": self.afmend,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Rebuild a record written by `to_json`."""
        kind, direction = data["channel"]
        return cls(
            step=str(data["step"]),
            version=str(data["version"]),
            params=dict(data["params"]),
            channel=ChannelKey(kind, direction),
            before=str(data["before"]),
            after=str(data["after"]),
            afmend=str(data["afmend"]),
            facts=dict(data.get("facts", {})),
        )
