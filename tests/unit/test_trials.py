"""Trials of a query: how counts, rows and checkpoints are compared and copied."""

from collections import Counter

from lib import tweets
from lib.course.trials import copy_checkpoint, judge, right_counts, wrong
from lib.query import TrendQuery
from lib.recount import Tweet

MINUTE = TrendQuery("1 minute", "1 minute", "30 seconds")


def test_rows_are_missing_surplus_or_right():
    sent = [Tweet("1", "#a #b", 0), Tweet("2", "#a", 0), Tweet("3", "#c", 0)]
    assert judge([(tweet.id, tweet.text) for tweet in sent], sent) == (0, 0, "3 of 3")
    assert judge([("1", "#a #b"), ("1", "#a #b"), ("3", "#c")], sent) == (1, 1, "2 of 3"), "#a is right by accident"
    assert judge([], sent) == (3, 0, "0 of 3")


def test_the_right_counts_have_each_tweet_once_in_a_tumbling_window():
    values = [value for _, value in tweets.stream(100, 1)]
    assert right_counts(values, MINUTE) == right_counts(values * 2, MINUTE)
    assert right_counts(values, MINUTE) != right_counts(values[:50], MINUTE)


def test_wrong_counts_differ_on_either_side():
    assert wrong(Counter(a=1, b=2), Counter(a=1, b=2)) == 0
    assert wrong(Counter(a=1, b=2), Counter(a=1, b=3, c=1)) == 2
    assert wrong(Counter(a=1, d=1), Counter(a=1)) == 1


def test_a_copied_checkpoint_lacks_the_files_that_are_left_out(tmp_path):
    commits = tmp_path / "base" / "commits"
    commits.mkdir(parents=True)
    for name in ("0", "1"):
        (commits / name).write_text(name)
    for _ in range(2):  # again, over the first copy
        copy = copy_checkpoint(tmp_path / "base", "copy", "commits/1")
        assert sorted(path.name for path in (copy / "commits").iterdir()) == ["0"]
    assert (commits / "1").exists()
