"""Configuration of the trend query: parses and checks the durations window, slide and watermark."""

import re
from dataclasses import dataclass, replace
from math import gcd
from typing import Self

from lib.errors import SettingError

AHEAD_SECONDS = 10  # a tweet dated further ahead of Kafka's clock is malformed: it would make later ones late
UNITS_MS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
DURATION = re.compile(rf"(\d+) ({'|'.join(UNITS_MS)})s?")


def milliseconds(name: str, text: str, least: int = 1, unit: int = 1) -> int:
    """The length of a duration such as "30 seconds" or "1 minute 30 seconds", in milliseconds.

    Raises SettingError, which names the option `name`, if `text` is not a duration, is below `least`, or is not a
    multiple of `unit`, both in milliseconds.
    """
    parts = DURATION.findall(text)
    length = sum(int(number) * UNITS_MS[word] for number, word in parts)
    if not parts or DURATION.sub("", text).strip() or length < least or length % unit:
        example = "one in whole seconds, " if unit == 1000 else "one "
        raise SettingError(
            f"{name} {text!r} is not a duration that can be used here",
            f"use {example}such as '30 seconds' or '1 minute'",
            option=name, value=text,
        )  # fmt: skip
    return length


@dataclass(frozen=True)
class TrendQuery:
    """Which windows are counted, and how late a tweet may be: three durations in Spark's words ("30 seconds").

    A window of the length `window` starts every `slide`, counted from 1970. The watermark is the newest event time less
    `watermark`. Raises SettingError for a value that is not a duration, a window or a slide that is not in whole
    seconds, a slide longer than the window, or a watermark so short that one tweet from the future makes others late.
    """

    window: str
    slide: str
    watermark: str

    def __post_init__(self) -> None:
        if self.slide_ms > self.window_ms:
            raise SettingError(
                f"slide {self.slide!r} is longer than window {self.window!r}",
                "use a slide that is at most as long as the window",
                option="slide", value=self.slide,
            )  # fmt: skip
        if self.watermark_ms <= AHEAD_SECONDS * 1000:
            raise SettingError(
                f"watermark {self.watermark!r} is too short: one tweet may be dated {AHEAD_SECONDS} s ahead, and would "
                "make the tweets of all others late",
                f"use one above {AHEAD_SECONDS} seconds",
                option="watermark", value=self.watermark,
            )  # fmt: skip

    # Windows start and end at whole seconds, because the store has their times in whole seconds: see store.SECOND.
    @property
    def window_ms(self) -> int:
        return milliseconds("window", self.window, unit=1000)

    @property
    def slide_ms(self) -> int:
        return milliseconds("slide", self.slide, unit=1000)

    @property
    def pane_ms(self) -> int:
        """The longest interval of which every window is a multiple, wherever it starts."""
        return gcd(self.window_ms, self.slide_ms)

    @property
    def panes(self) -> Self:
        """The same query for panes: windows of that length, which do not overlap."""
        pane = f"{self.pane_ms // 1000} seconds"
        return replace(self, window=pane, slide=pane)

    @property
    def watermark_ms(self) -> int:
        return milliseconds("watermark", self.watermark, least=0)
