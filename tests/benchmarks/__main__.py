"""Command line: measure this project's consumer beside the usual way, alternately, in the same run (`make bench`).

Each figure is measured in turns, so that the ratios hold on a busy machine, and every answer is checked before its time
counts. It prints median, least and most, and writes build/bench.json. `--against DIR` measures another checkout too.
A plain Python process works off the backlog beside them; with `--peers` more programs do that a user may pick instead
(tests.benchmarks.peers). `--only backlog` and `--only live` measure a part.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lib import infra
from lib.errors import run
from lib.settings import Settings
from lib.topics import Cluster
from tests.benchmarks.bench import AT_MOST, Bench
from tests.benchmarks.peers import PEERS

LOWER_IS_BETTER = " s"  # how the name of such a figure ends


def main(argv: Sequence[str] | None = None) -> None:
    options = parse_options(argv)
    ways = ["this", *options.ways] + (["other"] if options.against else [])
    asked = PEERS if options.peers else ["python"]
    peers = installed(asked if options.only != "live" else [])  # they only work off a backlog
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="arqesp-bench-") as folder:
        bench = Bench(Path(folder), options.against)
        infra.up(bench.settings)
        try:
            with Cluster(bench.settings.bootstrap_servers) as cluster:
                if options.only != "live":
                    print(f"==> sending {options.tweets:,} tweets", flush=True)
                    bench.fill(cluster, options.tweets, options.queries)
                for number in range(options.repeats):
                    for query, way in pairs(options.queries, ways, peers):
                        found = measure(bench, cluster, query, way, options)
                        print(f"==> {number + 1} of {options.repeats}, {query}, {way}: {found}", flush=True)
                        for figure, value in found.items():
                            figures.setdefault(f"{query}: {figure}", {}).setdefault(way, []).append(value)
        finally:
            infra.down(bench.settings)
    report(figures, options)


def pairs(queries: list[str], ways: list[str], peers: list[str]) -> Iterator[tuple[str, str]]:
    """Each query and who answers it, in turns. Another checkout has only the full query."""
    for query in queries:
        yield from ((query, way) for way in ways if (query, way) != ("plain", "other"))
        yield from ((query, peer) for peer in peers if query in PEERS[peer].queries)


def measure(bench: Bench, cluster: Cluster, query: str, way: str, options: argparse.Namespace) -> dict[str, float]:
    """The figures of one way, or of a peer, and one query."""
    if way in PEERS:
        return bench.drain_by_peer(cluster, way, query)
    found = bench.live(cluster, way, query, options.seconds) if options.only != "backlog" else {}
    for how in AT_MOST if options.only != "live" else ():
        found |= bench.drain(cluster, way, query, how)
    return found


def installed(names: Iterable[str]) -> list[str]:
    """Those of the peers that can be measured. Prints for each other one what to type."""
    missing = {name: PEERS[name] for name in names if PEERS[name].missing}
    for name, peer in missing.items():
        print(f"==> {name} is not measured, because {peer.module} is missing. Type: {peer.missing}", flush=True)
    return [name for name in names if name not in missing]


def parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the consumer.")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--tweets", type=int, default=2_000_000, metavar="N", help="backlog; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=30, metavar="S", help="of live tweets; default: %(default)s")
    queries = ["full", "plain"]
    parser.add_argument("--queries", nargs="+", choices=queries, default=queries, help="default: both")
    ways = ["usual", "defaults"]
    text = "what is measured beside this project; default: usual"
    parser.add_argument("--ways", nargs="*", choices=ways, default=ways[:1], help=text)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, measured alternately")
    parser.add_argument("--only", choices=["live", "backlog"], help="default: both")
    parser.add_argument("--peers", action="store_true", help="measure all programs of tests.benchmarks.peers")
    return parser.parse_args(argv)


def report(figures: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> None:
    """Print each figure of each way, and how many times better this project's is; write all to build/bench.json."""
    machine = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    settings = Settings.from_environment()
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    result = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "tweets": options.tweets, "figures": figures}
    (settings.build_dir / "bench.json").write_text(json.dumps(result, indent=1))
    print(machine)
    for figure, ways in figures.items():
        this = statistics.median(ways["this"])
        for way, values in ways.items():
            median = statistics.median(values)
            ratio = median / this if figure.endswith(LOWER_IS_BETTER) else this / median
            spread = f"least {min(values):10,.2f}   most {max(values):10,.2f}"
            print(f"{figure:<52} {way:<6} median {median:10,.2f}   {spread}   {ratio:6.2f} times this")


if __name__ == "__main__":
    run(main)
