"""Messages that are not tweets, in every way that is known; and a function to make one."""

import json

GOOD = {"id": "a", "user": "u", "text": "#x", "created_at": "2026-01-01T12:00:00.000Z"}


def changed(**fields) -> bytes:
    """A tweet with these fields changed; `...` removes one."""
    return json.dumps({k: v for k, v in (GOOD | fields).items() if v is not ...}).encode()


LONG, DEEP = "x" * 1_000_000, 100_000
ODD_VALUES = (..., None, 5, 1.5, True, [], {}, "", "\u0000", LONG, "\ud800", "İ\u0307#İ", "<script>")
ODD_ENDS = ("}", ",}", "", '"', ', "id": "again"}', ', "n": 01}', ', "n": +1}', ', "n": .5}', ', "n": 1e999}')
ODD_ENDS += (
    ', "n": "\\q"}',
    ', "n": "\t"}',
    ', "n": "\\u12"}',
    ', "n": ' + "[" * 300 + "]" * 300 + "}",
    "} rubbish",
    "}}",
)
ODD_TEXTS = (
    "हिन्दी".encode(),
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    "\U0001f600".encode(),
    b"\\ud83d\\ude00",
    b"\\ude00",
)
ODD_TIMES = """2026-01-01T12:00:00Z|2026-01-01T12:00:00.000|2026-01-01T12:00:00.000z|2026-01-01T12:00:00.000+00:00
2026-01-01T24:00:00.000Z|2026-01-01T12:60:00.000Z|2026-01-01T12:00:60.000Z|2026-02-29T12:00:00.000Z
2024-02-29T12:00:00.000Z|2026-13-01T12:00:00.000Z|2026-00-01T12:00:00.000Z|0000-01-01T00:00:00.000Z
0001-01-01T00:00:00.000Z|1582-10-10T00:00:00.000Z|1969-12-31T23:59:59.999Z|2026-01-01T12:00:10.000Z
2026-01-01T12:00:10.001Z|9999-12-31T23:59:59.999Z|٢٠٢٦-01-01T12:00:00.000Z| 2026-01-01T12:00:00.000Z
2026-01-01T12:00:00.00 Z|2026-01-01T12:00:00.000Z |+026-01-01T12:00:00.000Z""".replace("\n", "|").split("|")
ODD_NUMBERS = ("1" * 1000, "1" * 1001, "-" + "1" * 1000, "1." + "1" * 999, "1." + "1" * 1000, "1e-" + "0" * 1000)
ODD_NUMBERS += ("1" * 5000,)
# In the form of the generator, which `trends.is_plain` recognises, and with something wrong in it.
FORM = '{"id":"a","user":"u","text":"#x","lang":"en","created_at":"2026-01-01T12:00:00.000Z","retweets":1}'
PLAIN = [
    FORM.encode(),
    FORM.encode() + b"\n",
    FORM.encode() + b' "x", "y"',
    FORM.encode() + b"{",
    FORM.replace("#x", "#ñ 😀").encode(),
]
PLAIN += [FORM.replace("2026-01-01T12:00:00.000Z", time).encode() for time in ODD_TIMES]
PLAIN += [FORM.encode().replace(b"#x", odd) for odd in (*ODD_TEXTS, b"\t", b"\x00", b"\\n", b"\\q", b'"', b"\x7f")]
PLAIN += [FORM.encode().replace(b"#x", odd * n) for odd in (b"\\n", b'\\"', b"\\u0041") for n in (1, 9, 10, 9999)]
PLAIN += [FORM.replace(":1}", f":{odd}}}").encode() for odd in ("01", "-1", "1.5", "1e9", "9" * 10, "", "null")]
PLAIN += [FORM.replace('"lang":"en"', odd).encode() for odd in ('"lang":null', '"id":"b"', '"lang":"en","id":"b"')]
HOSTILE = [
    *(changed(**{name: value}) for name in GOOD for value in ODD_VALUES),
    *(changed(more=value) for value in (LONG, [[1]] * 9, {"id": 7}, 10**300, float("nan"), float("inf"), -0.0)),
    *(changed(created_at=time) for time in ODD_TIMES),
    *(changed()[:-1] + end.encode() for end in ODD_ENDS),
    *(changed().replace(b"#x", odd) for odd in ODD_TEXTS),
    *(None, b"", b" ", b"\n", b"\x00", b"{}", b"[]", b"null", b"true", b"5", b'"a"', b"{", b'{"id"'),
    *(b"\xef\xbb\xbf" + changed(), b"  \t\r\n" + changed(), b"\f" + changed(), b"/* no */" + changed()),
    *(b"[" + changed() + b"]", b"[" + changed() + b"," + changed() + b"]", changed() + changed(id="b")),
    *(changed().replace(b'"', b"'"), changed().replace(b'"id"', b"id"), changed().decode().encode("utf-16")),
    *(b"[" * DEEP, b'{"a":' * DEEP),
    *PLAIN,
    *(changed(**{name: "?"}).replace(b'"?"', n.encode()) for name in ("user", "more") for n in ODD_NUMBERS),
]
