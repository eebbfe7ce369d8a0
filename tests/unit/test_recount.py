import json

import pytest

from lib.consumer.store import Batch
from lib.errors import CountError
from lib.recount import compare, hashtags, parse, recount, sent_by, window_starts
from lib.topics import Record
from lib.tweets import Message

NOON = 1767268800000  # 2026-01-01T12:00:00Z


def record(offset, second=0, text="#a", tweet_id=None, partition=0, **changed):
    fields = {
        "id": tweet_id or f"t{partition}-{offset}",
        "user": "u",
        "text": text,
        "created_at": f"2026-01-01T12:{second // 60:02d}:{second % 60:02d}.000Z",
    }
    return Record(partition, offset, NOON + second * 1000, b"u", json.dumps(fields | changed).encode())


def test_a_window_has_its_start_but_not_its_end():
    assert list(window_starts(10_000, 10_000, 5_000)) == [10_000, 5_000]
    assert list(window_starts(9_999, 10_000, 5_000)) == [5_000, 0]
    assert list(window_starts(-1, 10_000, 10_000)) == [-10_000]


@pytest.mark.parametrize(
    "text, found",
    [
        ("#Hola #hola", {"hola"}),
        ("a#b ##x # #!", {"b", "x"}),
        ("#Fußball #ÑANDÚ #東京", {"fußball", "ñandú", "東京"}),
        ("#a_1-b", {"a_1"}),
        ("#हिन्दी #தமிழ் #é", {"हिन्दी", "தமிழ்", "é"}),
        ("nothing", set()),
    ],
)
def test_hashtags(text, found):
    assert hashtags(text) == found


def test_each_record_goes_one_way():
    records = [
        record(0, 60),
        record(1, 60, tweet_id="t0-0"),
        record(2, 62, text=None),
        record(3, 5),  # late: the batch before ran with a watermark at 30 s
    ]
    batches = [Batch({0: 1}, 0, 0), Batch({0: 2}, NOON + 30_000, 0), Batch({0: 4}, NOON + 31_000, 0)]
    answer = recount(records, batches, 10_000, 10_000, 30_000)
    assert list(answer.verdicts.values()) == ["counted", "duplicates", "malformed", "late"]
    assert answer.totals() == {"received": 4, "counted": 1, "duplicates": 1, "late": 1, "malformed": 1}
    assert dict(answer.windows) == {(NOON + 60_000, "a"): 1}


def test_a_tweet_is_late_only_by_the_watermark_of_the_batch_before():
    records = [record(0, 60), record(1, 5)]
    same_batch = [Batch({0: 2}, 0, 0)]
    next_batch = [Batch({0: 1}, 0, 0), Batch({0: 2}, NOON + 30_000, 0)]
    after_that = [Batch({0: 1}, 0, 0), Batch({0: 1}, NOON + 30_000, 0), Batch({0: 2}, NOON + 30_000, 0)]
    late = [
        recount(records, batches, 10_000, 10_000, 30_000).totals()["late"]
        for batches in (same_batch, next_batch, after_that)
    ]
    assert late == [0, 0, 1]


@pytest.mark.parametrize("second, verdict", [(30, "late"), (31, "counted")])
def test_a_tweet_dated_exactly_at_the_watermark_is_late(second, verdict):
    batches = [Batch({0: 1}, 0, 0), Batch({0: 1}, NOON + 30_000, 0), Batch({0: 2}, NOON + 30_000, 0)]
    answer = recount([record(0, 60), record(1, second)], batches, 10_000, 10_000, 30_000)
    assert answer.verdicts[0, 1] == verdict


@pytest.mark.parametrize(
    "again, verdict",
    [
        ({}, "duplicates"),
        ({"user": "another"}, "duplicates"),
        ({"text": "#b"}, "counted"),
        ({"created_at": "2026-01-01T12:00:40.001Z"}, "counted"),
        ({"id": "b"}, "counted"),
    ],
)
def test_a_duplicate_has_the_same_id_text_and_time(again, verdict):
    records = [record(0, 40, tweet_id="a"), record(1, 40, **({"id": "a"} | again))]
    assert recount(records, [Batch({0: 2}, 0, 0)], 10_000, 10_000, 30_000).verdicts[0, 1] == verdict


@pytest.mark.parametrize("newest, verdict", [(69, "duplicates"), (70, "late")])
def test_a_duplicate_that_comes_after_the_watermark_is_late(newest, verdict):
    records = [record(0, 40, tweet_id="a"), record(1, newest), record(2, 40, tweet_id="a")]
    batches = [Batch({0: 2}, 0, 0), Batch({0: 2}, 0, 0), Batch({0: 3}, 0, 0)]
    assert recount(records, batches, 10_000, 10_000, 30_000).verdicts[0, 2] == verdict


def test_the_watermark_is_the_newest_tweet_of_the_batches_before_less_the_delay():
    ahead = {"created_at": "2026-01-01T12:01:20.001Z"}  # over 10 s ahead: malformed, and moves nothing
    records = [record(0, 60), record(1, 70, **ahead), record(2, 20), record(3, 70)]
    batches = [Batch({0: end}, NOON, 0) for end in (1, 2, 3, 4, 4)]
    answer = recount(records, batches, 10_000, 10_000, 30_000)
    own, of_spark = zip(*answer.watermarks, strict=True)
    assert own == (0, NOON + 30_000, NOON + 30_000, NOON + 30_000, NOON + 40_000) and set(of_spark) == {NOON}
    with pytest.raises(CountError) as refused:
        compare(answer, answer.totals(), dict(answer.windows))
    assert refused.value.data == {"batch": 0}


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b"[]", b"5", b"{", b'"text"', b"[" * 100_000, json.dumps({"id": "a"}).encode()],
)
def test_what_is_not_a_tweet(value):
    assert parse(Record(0, 0, NOON, None, value)) is None


@pytest.mark.parametrize(
    "changed, is_tweet",
    [
        ({}, True),
        ({"more": [1, {"x": 2}]}, True),
        ({"id": 5}, False),
        ({"user": None}, False),
        ({"created_at": "2026-01-01 12:00:00.000Z"}, False),
        ({"created_at": "2026-02-30T12:00:00.000Z"}, False),
        ({"created_at": "2026-01-01T12:00:10.000Z"}, True),
        ({"created_at": "2026-01-01T12:00:10.001Z"}, False),
        ({"text": "\ud800"}, False),
        ({"more": float("nan")}, False),
    ],
)
def test_what_is_a_tweet(changed, is_tweet):
    assert (parse(record(0, **changed)) is not None) == is_tweet


def test_our_own_messages_among_those_of_others():
    ours = [Message(b"k", b"1"), Message(b"k", b"1"), Message(b"k", b"2")]
    records = [Record(0, n, 0, b"k", value) for n, value in enumerate([b"1", b"x", b"2", b"1", b"1"])]
    assert [r.offset for r in sent_by(ours, records)] == [0, 2, 3]
    with pytest.raises(CountError) as refused:
        sent_by([*ours, Message(b"k", b"3")], records)
    assert refused.value.data == {"missing": 1}


def test_any_difference_is_found():
    answer = recount([record(0)], [Batch({0: 1}, 0, 0)], 10_000, 10_000, 30_000)
    right = dict(answer.windows)
    (window,) = right
    compare(answer, answer.totals(), right)
    for wrong, at in (({}, window), ({window: 2}, window), (right | {(0, "b"): 1}, (0, "b"))):
        with pytest.raises(CountError) as refused:
            compare(answer, answer.totals(), wrong)
        assert refused.value.data == {"window": at}
    totals = answer.totals() | {"counted": 2}
    with pytest.raises(CountError) as refused:
        compare(answer, totals, right)
    assert refused.value.data == {"totals": totals}
