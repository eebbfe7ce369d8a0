"""The consumer beside the usual way, plain Python and other programs, with live tweets and with a backlog."""

import argparse
from collections.abc import Iterable, Iterator

from lib.topics import Cluster
from tests.benchmarks.bench import AT_MOST, Bench, Measured
from tests.benchmarks.peers import PEERS


def measure(bench: Bench, options: argparse.Namespace) -> Iterator[Measured]:
    """Its figures with live tweets and with a backlog, as far as they are asked for."""
    live, backlog = "live" in options.only, "backlog" in options.only
    if not (live or backlog):
        return
    ways = [*options.ways, "this"] + (["other"] if options.against else [])
    peers = installed(PEERS if options.peers else ["python"]) if backlog else []
    with bench.broker() as cluster:
        if backlog:
            print(f"==> sending {options.tweets:,} tweets", flush=True)
            bench.fill(cluster, options.tweets, options.queries)
        for _ in range(options.repeats):
            for query, way in pairs(options.queries, ways, peers):
                if live and way not in PEERS:
                    yield from named(query, way, bench.live(cluster, way, query, options.seconds))
                if backlog:
                    yield from named(query, way, drained(bench, cluster, query, way))


def pairs(queries: list[str], ways: list[str], peers: list[str]) -> Iterator[tuple[str, str]]:
    """Each query and who answers it, in turns. Another checkout has only the full query."""
    for query in queries:
        yield from ((query, way) for way in ways if (query, way) != ("plain", "other"))
        yield from ((query, peer) for peer in peers if query in PEERS[peer].queries)


def drained(bench: Bench, cluster: Cluster, query: str, way: str) -> dict[str, float]:
    """The figures of a backlog."""
    if way in PEERS:
        return bench.drain_by_peer(cluster, way, query)
    return {name: rate for how in AT_MOST for name, rate in bench.drain(cluster, way, query, how).items()}


def named(query: str, way: str, found: dict[str, float]) -> Iterator[Measured]:
    return ((f"{query}: {figure}", way, value) for figure, value in found.items())


def installed(names: Iterable[str]) -> list[str]:
    """Those of the peers that can be measured. Prints for each other one what to type."""
    missing = {name: PEERS[name] for name in names if PEERS[name].missing}
    for name, peer in missing.items():
        print(f"==> {name} is not measured, because {peer.module} is missing. Type: {peer.missing}", flush=True)
    return [name for name in names if name not in missing]
