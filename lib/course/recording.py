"""Recording of a kill: what arrived and what was counted through it, and the oracle's verdict; written as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

BIN_SECONDS = 0.5  # of the rates


@dataclass(frozen=True)
class Recording:
    """A kill and its judgement.

    `acknowledged`, `missing`: tweets; `compared`, `wrong`: counts of the store, and how many differ from the oracle's;
    `recovery`: seconds from the fault until a tweet was counted that arrived after it; `seconds`: the left edges of the
    bins of BIN_SECONDS, since the fault; `arrived`, `counted`: tweets in each bin.
    """

    victim: str
    moment: str
    rate: int
    acknowledged: int
    missing: int
    compared: int
    wrong: int
    recovery: float
    seconds: list[float]
    arrived: list[int]
    counted: list[int]
    replayed: bool = False

    @property
    def right(self) -> bool:
        """Whether no acknowledged tweet is missing, and each count is the oracle's."""
        return self.missing == self.wrong == 0

    def __str__(self) -> str:
        how = f"replay of {self.moment}" if self.replayed else "live"
        return (
            f"{self.victim} killed ({how}): {self.recovery:.1f} s to recover\n"
            f"{self.acknowledged:,} tweets acknowledged, {self.missing} missing; "
            f"{self.compared:,} counts compared with the oracle's, {self.wrong} differ\n"
            f"verdict: {'right' if self.right else 'WRONG'}"
        )


def to_json(recording: Recording) -> dict[str, object]:
    """The recording as a JSON object, which `from_json` reads as a replayed one."""
    return json.loads(json.dumps(vars(recording)))


def from_json(values: Mapping[str, object]) -> Recording:
    """A recording that was written by `to_json`."""
    return Recording(**dict(values) | {"replayed": True})
