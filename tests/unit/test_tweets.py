import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import tweets
from lib.errors import SettingError

fractions = st.sampled_from([0, 0.001, 0.01, 0.1, 0.25, 0.3])


def tweet(message):
    return json.loads(message.value)


def test_same_seed_and_start_give_the_same_bytes(run_main, run_module):
    first = run_main("tweets", "--count", 1000, "--seed", 7).stdout
    second = run_module("tweets", "--count", 1000, "--seed", 7, environment={"PYTHONHASHSEED": "5"}).stdout
    other = run_main("tweets", "--count", 1000, "--seed", 8).stdout
    assert first == second != other
    assert len(first.splitlines()) == 1000


@pytest.mark.parametrize(
    "options, checksum",
    [
        ({"count": 2500}, "3974c8debe12ede5"),
        ({"count": 2500, "late": 0.01, "duplicates": 0.02, "malformed": 0.01}, "cf8b590bc178b414"),
        ({"count": 3500, "rate": 0, "duplicates": 0.9}, "93fc66810e922252"),
        ({"count": 20_000, "rate": 333.3, "late": 0.2, "duplicates": 0.3, "malformed": 0.4}, "4fe672af151e151f"),
        ({"count": 1500, "rate": 0.001, "start": datetime(1970, 1, 1, tzinfo=UTC)}, "93860755178ff3c5"),
        (
            {"count": 1500, "rate": 1e6, "start": datetime(2999, 12, 31, 23, 59, 59, 999_499, tzinfo=UTC)},
            "39bea92fc3c30824",
        ),
    ],
    ids=str,
)
def test_the_bytes_are_those_of_earlier_versions(options, checksum):
    """A change of the generator changes every committed output: update these checksums only on purpose."""
    text = b"\n".join(m.value for m in tweets.stream(seed=7, **options))
    assert hashlib.sha256(text).hexdigest().startswith(checksum)


def test_a_value_is_the_compact_json_of_its_fields():
    for message in tweets.stream(3000, seed=5, rate=0, late=0.1):
        value = json.dumps(tweet(message), ensure_ascii=False, separators=(",", ":"))
        assert message.value == value.encode()


def test_the_tweets_do_not_depend_on_how_many_there_are():
    endless = list(islice(tweets.stream(seed=3), 2000))
    assert endless == list(tweets.stream(2000, seed=3))
    assert endless[:1300] == list(tweets.stream(1300, seed=3))


@settings(deadline=None, max_examples=60)
@given(count=st.integers(1, 3000), late=fractions, duplicates=fractions, malformed=fractions, seed=st.integers(0, 99))
def test_the_flaws_are_exactly_as_many_as_asked_for(count, late, duplicates, malformed, seed):
    if sum(round(f * count) for f in (late, duplicates, malformed)) > count - (duplicates > 0):
        return
    start = tweets.FIXED_START
    messages = list(tweets.stream(count, seed, start, 1000, late, duplicates, malformed))
    assert len(messages) == count

    good = [tweet(m) for m in messages if is_tweet(m)]
    assert count - len(good) == round(malformed * count)
    times = Counter(t["id"] for t in good)
    assert times.total() - len(times) == round(duplicates * count)
    unique = {t["id"]: datetime.fromisoformat(t["created_at"]) for t in good}
    due = {t: start + timedelta(milliseconds=int(t.split("-")[2])) for t in unique}
    ages = [(due[t] - unique[t]).total_seconds() for t in unique]
    assert sum(age >= 600 for age in ages) == round(late * count)
    assert all(0 <= age < 3 or 600 <= age < 603 for age in ages)


def is_tweet(message) -> bool:
    try:
        fields = tweet(message)
        return fields["text"] is not None and fields["created_at"][:2] == "20" and fields["created_at"] < "2099"
    except (ValueError, KeyError, TypeError):
        return False


def test_a_duplicate_repeats_an_earlier_message_byte_for_byte():
    seen, repeated = set(), 0
    for message in tweets.stream(2000, duplicates=0.2):
        repeated += message in seen
        seen.add(message)
    assert repeated == 400


def test_ids_differ_between_runs_of_one_seed():
    later = tweets.FIXED_START + timedelta(seconds=1)
    ids = [{tweet(m)["id"] for m in tweets.stream(500, seed=1, start=s)} for s in (tweets.FIXED_START, later)]
    assert not ids[0] & ids[1]


def test_messages_are_lines_keyed_by_user():
    for message in tweets.stream(3000, malformed=0.2):
        assert b"\n" not in message.value and b"\r" not in message.value
    for message in tweets.stream(300):
        assert tweet(message)["user"].encode() == message.key


def test_rate_zero_spaces_event_times_by_a_millisecond():
    messages = list(tweets.stream(1000, rate=0))
    last = datetime.fromisoformat(tweet(messages[-1])["created_at"])
    assert timedelta(seconds=-3) < last - (tweets.FIXED_START + timedelta(milliseconds=999)) <= timedelta(0)


def test_popularity_is_skewed_and_trends_change():
    def top(part):
        words = Counter(w for m in part for w in tweet(m)["text"].split() if w.startswith("#"))
        return [word for word, _ in words.most_common(6)]

    messages = list(tweets.stream(12_000, seed=2, rate=100))
    early, late = top(messages[:3000]), top(messages[-3000:])
    assert early[0] == late[0], "the most popular stays"
    assert set(early) != set(late), "but bursts come and go"


@pytest.mark.parametrize(
    "options, option",
    [
        ({"rate": -1}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": 1e-12}, "rate"),
        ({"rate": 1e7}, "rate"),
        ({"count": -1}, "count"),
        ({"count": 10**14}, "count"),
        ({"seed": -1}, "seed"),
        ({"late": 1.5}, "late"),
        ({"malformed": -0.1}, "malformed"),
        ({"duplicates": float("nan")}, "duplicates"),
        ({"late": 0.6, "malformed": 0.6}, "late + duplicates + malformed"),
        ({"duplicates": 1}, "late + duplicates + malformed"),  # no tweet to repeat
        ({"start": datetime(2026, 1, 1)}, "start"),
        ({"start": datetime(1, 1, 1, tzinfo=UTC)}, "start"),
        ({"start": datetime(9999, 12, 31, tzinfo=UTC)}, "start"),
    ],
)
def test_options_out_of_range_are_refused(options, option):
    with pytest.raises(SettingError) as caught:
        tweets.stream(**({"count": 10} | options))
    assert caught.value.data["option"] == option


@pytest.mark.parametrize("options", [{}, {"malformed": 1}, {"late": 1}, {"late": 0.5, "malformed": 0.5}])
def test_options_at_the_end_of_their_range_are_accepted(options):
    assert len(list(tweets.stream(10, **options))) == 10
    assert list(tweets.stream(0, **options)) == []


def test_the_command_line_reports_a_wrong_option(run_main):
    run = run_main("tweets", "--rate", -1)
    assert run.returncode == 1 and run.error.data == {"option": "rate", "value": -1}
    run = run_main("tweets", "--start", "yesterday")
    assert run.returncode == 2 and "'yesterday'" in run.stderr and run.stdout == ""


def test_a_start_without_a_zone_is_utc():
    assert tweets.parse_time("2026-01-01T12:00:00") == datetime(2026, 1, 1, 12, tzinfo=UTC)
