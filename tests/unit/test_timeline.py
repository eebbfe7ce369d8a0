"""Timeline of a fault: when each message was counted, and the seconds to recover."""

import json

import pandas as pd
import pytest
import sqlalchemy as sa

from lib.course import timeline
from lib.topics import Record


class Topic:
    """Five messages, one each second from second 100 on."""

    def read(self, _):
        return [Record(0, n, (100 + n) * 1000, None, b"") for n in range(5)]


@pytest.fixture
def store():
    """Two micro-batches: two messages, stored in second 103, and two more, stored in second 110."""

    class Store:
        engine = sa.create_engine("sqlite://")

    ends = [json.dumps({"0": 2}), json.dumps({"0": 4})]
    begun = ["1970-01-01 00:01:42.000000", "1970-01-01 00:01:45.500000"]
    batches = pd.DataFrame({"ends": ends, "begun": begun, "seconds": [1.0, 4.5]}).rename_axis("batch")
    batches.to_sql("batches", Store.engine)
    return Store


def test_a_message_is_counted_when_its_batch_is_stored(store):
    found = timeline.times(Topic(), "t", store)
    assert list(found["arrived"]) == [100, 101, 102, 103, 104]
    assert list(found["counted"][:4]) == [103, 103, 110, 110] and found["counted"].isna()[4]


def test_recovered_is_when_a_message_is_counted_that_arrived_after_the_fault(store):
    found = timeline.times(Topic(), "t", store)
    assert timeline.recovery(found, 100.5) == 2.5
    assert timeline.recovery(found, 102.5) == 7.5
