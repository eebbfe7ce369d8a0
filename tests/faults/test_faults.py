"""The short selection of the matrix: one run of each fault, all on one stream. `make faults` runs all of it."""

import pytest

from lib.topics import Record
from tests.faults.ledger import Account, Orders, compare
from tests.faults.matrix import MATRIX
from tests.faults.scenario import run
from tests.faults.world import World
from tests.processes import left_behind


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    with World(folder) as world:
        yield world
    assert left_behind(folder) == []


@pytest.mark.parametrize("fault", [fault for fault in MATRIX if fault.short], ids=lambda fault: fault.name)
def test_acknowledged_is_counted_or_accounted_for(world, fault):
    result = run(world, fault, seed=0)
    assert result.right and result.acknowledged > 0, result


def test_the_ledger_sees_a_lost_message_and_one_too_many():
    orders = Orders(seed=1)
    messages = orders.first(100)
    records = [Record(0, offset, 0, *message) for offset, message in enumerate(messages)]
    complete, killed = orders.acknowledged(100), orders.killed(at_least=90)
    noted = orders.killed(3, {(0, 0), (0, 1), (0, 99)})
    assert compare([complete], records) == compare([killed], records) == Account(acknowledged=100)
    assert compare([killed], records[:95]) == Account(acknowledged=95)
    assert compare([killed], records[:88]) == Account(acknowledged=90, lost=2)
    assert compare([noted], records[:95]) == Account(acknowledged=95, lost=1)
    assert compare([noted], records[1:]) == Account(acknowledged=99, lost=1)
    assert compare([complete], [*records[1:], records[5]]) == Account(acknowledged=100, lost=1, surplus=1)
