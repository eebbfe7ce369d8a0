"""Messages that could harm a stream: malformed ones of every kind, and tweets with hostile hashtags."""

import json
from datetime import UTC, datetime

from lib.tweets import Message
from tests.spark.conftest import GOOD, HOSTILE, changed

BIG = 900_000  # bytes; a broker takes messages of 1 MB
NESTED = 10_000
HASHTAGS = (
    "#हिन्दी #தமிழ்", "#e" + "\u0301" * 10_000, "#İ #ı #ß #ẞ #ΟΔΟΣ", "#١٢٣ #② #２", "＃wide #😀 #a😀b",
    "#" + "x" * 100_000, "#" * 100_000, " ".join(f"#tag{n}" for n in range(500)), "##a###b a#c #",
    "#<script>alert(1)</script>", "#<img/src=x onerror=alert(1)>", "#&amp; #&#35;x", "#$x^2$ #\\alpha #`x`",
    "#x'); DROP TABLE windows; --", "#x\" OR 1=1", "#\u202etxet #a\u200db #a\u00adb", "#\u0000a #a\u0000",
    "#a\nb\t#c\r#d", "#null #NaN #None #true #-1",
)  # fmt: skip


def now() -> str:
    """The time as tweets have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def malformed() -> list[Message]:
    """Not tweets, or nearly, in every way that is known: some of 1 MB, some nested 10,000 deep."""
    deep = "[" * NESTED + "]" * NESTED
    values = [value for value in HOSTILE if value is None or len(value) < BIG]
    values += [changed()[:-1] + f', "more": {deep}}}'.encode(), b'{"a":' * NESTED + b"1" + b"}" * NESTED, deep.encode()]
    values += [b"\xff" * 1_000_000, changed(text="#x " + "y" * 1_000_000), b"{" + b" " * 1_000_000]
    time = GOOD["created_at"].encode(), now().encode()
    return [Message(b"key", value and value.replace(*time)) for value in values]


def hashtags() -> list[Message]:
    """Valid tweets, each of them twice: its text with JSON's escapes, and without."""
    made = []
    for number, text in enumerate(HASHTAGS):
        for escapes in (False, True):
            tweet = {"id": f"{now()}-{number}-{escapes}", "user": "u", "text": text, "created_at": now()}
            made.append(Message(b"key", json.dumps(tweet, ensure_ascii=escapes).encode()))
    return made
