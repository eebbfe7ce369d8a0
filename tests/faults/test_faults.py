"""The short selection of the matrix: one run of each fault, all on one stream. `make faults` runs all of it."""

import pytest

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
