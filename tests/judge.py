"""Judge of a consumer's answer: its store against a recount, for tests and benchmarks."""

from pathlib import Path

import sqlalchemy as sa

from lib.consumer.store import Batch, Store
from lib.consumer.tables import DEAD_LETTERS
from lib.errors import CountError
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.recount import Recount, compare, recount
from lib.topics import Cluster


def recounted(
    cluster: Cluster, topic: str, query: TrendQuery, batches: list[Batch], known: dict[str, Recount]
) -> Recount:
    """The recount of these micro-batches; `known` has those that were made before, by topic and micro-batches."""
    key = f"{topic} {[(batch.ends, batch.watermark) for batch in batches]}"
    if key not in known:
        records = cluster.read(topic, cluster.offsets(topic, "earliest"), batches[-1].ends)
        known[key] = recount(records, batches, query.window_ms, query.slide_ms, query.watermark_ms)
    return known[key]


def judge(
    cluster: Cluster, topic: str, query: TrendQuery, place: Path | str, known: dict[str, Recount] | None = None
) -> Recount:
    """The recount of what the store at a path or URL has counted, after every watermark, total, window and dead letter
    in it was found equal to it.

    Where a process was killed before Spark's report of a batch was written, the totals lack that batch, and say so.
    """
    store = Store(place)
    batches = store.batches()
    answer = recounted(cluster, topic, query, batches, {} if known is None else known)
    if store.unreported():
        compare(answer, answer.totals(), to_dict(store.windows()))
        assert store.totals()["received"] < answer.totals()["received"]
    else:
        compare(answer, store.totals(), to_dict(store.windows()))
    malformed = {where for where, verdict in answer.verdicts.items() if verdict == "malformed"}
    wrong = malformed ^ dead_letters(store).keys()
    store.close()
    if wrong:
        raise CountError(f"{len(wrong)} dead letters are missing or surplus", "see `places`", places=sorted(wrong))
    return answer


def dead_letters(store: Store) -> dict[tuple[int, int], str]:
    """{(partition, offset): reason} of a store's dead letters."""
    with store.connect() as connection:
        columns = (DEAD_LETTERS.c.partition, DEAD_LETTERS.c.offset, DEAD_LETTERS.c.reason)
        return {(number, offset): reason for number, offset, reason in connection.execute(sa.select(*columns))}
