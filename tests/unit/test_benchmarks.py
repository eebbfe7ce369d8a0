"""The rows of the benchmarks: which of two ways is better, and how the numbers are shown; a package that is missing."""

from argparse import Namespace

import pytest

from lib.errors import ProducerError
from tests.benchmarks import producer
from tests.benchmarks.__main__ import rows


def test_more_messages_per_second_are_better_and_fewer_seconds():
    figures = {
        "full: drain, messages/s": {"usual": [5_000, 5_000, 4_000], "this": [50_000, 60_000, 60_000]},
        "full: first rows, s": {"usual": [40, 40, 50], "this": [8, 10, 10]},
    }
    assert list(rows(figures)) == [
        "| full: drain, messages/s | usual | 5,000 (4,000 to 5,000) | 1.00 (1.00 to 1.00) |",
        "| full: drain, messages/s | this | 60,000 (50,000 to 60,000) | 12.00 (10.00 to 15.00) |",
        "| full: first rows, s | usual | 40.00 (40.00 to 50.00) | 1.00 (1.00 to 1.00) |",
        "| full: first rows, s | this | 10.00 (8.00 to 10.00) | 5.00 (4.00 to 5.00) |",
    ]


def test_ratios_are_those_of_each_turn():
    busy = {"usual": [10, 1, 1], "this": [20, 2, 2]}
    assert list(rows({"messages/s": busy}))[1].endswith("| 2.00 (2.00 to 2.00) |")


def test_without_faker_it_says_what_to_type(monkeypatch):
    monkeypatch.setattr(producer, "find_spec", lambda name: None)
    with pytest.raises(ProducerError, match=r"needs Faker[^$]*pip install -e '\.\[bench\]'"):
        next(producer.measure(None, Namespace(only=["producer"])))
