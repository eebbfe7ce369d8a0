"""Oracle of the fault tests: acknowledged = counted + accounted for, and every window and dead letter is right."""

from contextlib import suppress

from lib.errors import CountError
from lib.recount import Recount
from lib.topics import Record
from lib.wait import wait_until
from tests.faults.ledger import compare
from tests.faults.world import World
from tests.judge import judge

RECOVERED_SECONDS = COUNTED_SECONDS = 240
REPORT_SECONDS = 10  # Spark reports a micro-batch shortly after it was written


def check(world: World) -> None:
    """Let the programs recover, end the producers, and judge what came since the last check into `world.result`."""
    result = world.result
    if world.struck:
        result.recovery = wait_until(world.recovery, RECOVERED_SECONDS)
        world.struck = None
    for name in ("producer", "notebook", "second notebook"):
        if name in world.programs:
            world.programs[name].stop_sending()
    ends = world.cluster.offsets(world.topic)
    records = list(world.cluster.read(world.topic, world.checked, ends))
    account = compare(world.sent, records)
    result.acknowledged += account.acknowledged
    result.surplus += account.surplus
    result.lost += account.lost
    wait_until_counted(world, ends)
    try:
        answer = judge(world.cluster, world.topic, world.query, world.output / "trends.db")
    except CountError as error:
        result.wrong += 1
        raise RuntimeError(f"the recount differs: {error.what}") from None
    totals = answer.totals(records)
    result.counted += totals["counted"]
    result.accounted += totals["received"] - totals["counted"]
    result.wrong += unexpected(world, answer, records)
    world.sent, world.checked = [], ends


def wait_until_counted(world: World, ends: dict[int, int]) -> None:
    """Wait until every message before `ends` is counted and reported; TimeoutError, and they are lost, if not."""
    try:
        wait_until(lambda: world.store.batches(last=1)[-1].ends == ends, COUNTED_SECONDS)
    except TimeoutError:
        world.result.lost += sum(ends.values()) - sum(world.store.batches(last=1)[-1].ends.values())
        raise
    received = sum(ends.values())
    with suppress(TimeoutError):
        wait_until(lambda: world.store.totals()["received"] == received or world.store.unreported(), REPORT_SECONDS)


def unexpected(world: World, answer: Recount, records: list[Record]) -> int:
    """How many messages have another verdict than was expected when they were sent."""
    wrong = 0
    for each in world.sent:
        if each.verdict:
            values = set(each.messages)
            them = answer.totals(record for record in records if (record.key, record.value) in values)
            wrong += len(each.messages) - them[each.verdict]
    return wrong
