"""Command line: measure the pipeline beside the usual way, in turns, in the same run (`make bench`).

The turns make the ratios hold on a busy machine. Every answer is checked before its time counts. It prints the rows of
RESULTS.md, and writes build/bench.json. `--only backlog` measures a part, `--against DIR` also another checkout.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from lib.errors import run
from lib.settings import Settings
from lib.wait import exit_on_signals
from tests.benchmarks import broker, consumer, producer
from tests.benchmarks.bench import Bench

LOWER_IS_BETTER = ", s"  # how the name of such a figure ends
Figures = dict[str, dict[str, list[float]]]  # figure to way to its values


def main(argv: Sequence[str] | None = None) -> None:
    options = parse_options(argv)
    exit_on_signals()
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="arqesp-bench-") as folder:
        bench = Bench(Path(folder), options.against)
        for figure, way, value in chain(*(part.measure(bench, options) for part in (producer, broker, consumer))):
            values = figures.setdefault(figure, {}).setdefault(way, [])
            values.append(value)
            print(f"==> {len(values)} of {options.repeats}, {figure}, {way}: {shown(value)}", flush=True)
    save(figures, options.tweets)
    print("| Figure | Way | Median (least to most) | Times the first way |\n|---|---|---|---|")
    print("\n".join(rows(figures)))


def parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the pipeline.")
    parts = ["producer", "broker", "live", "backlog"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="default: all")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: %(default)s")
    text = "backlog; the producer sends a tenth of it, or half of it with a fast client; default: %(default)s"
    parser.add_argument("--tweets", type=int, default=2_000_000, metavar="N", help=text)
    parser.add_argument("--seconds", type=float, default=30, metavar="S", help="of live tweets; default: %(default)s")
    queries = ["full", "plain"]
    parser.add_argument("--queries", nargs="+", choices=queries, default=queries, help="default: both")
    ways = ["usual", "defaults"]
    text = "what the consumer is measured beside; default: usual"
    parser.add_argument("--ways", nargs="*", choices=ways, default=ways[:1], help=text)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, whose consumer is measured, too")
    parser.add_argument("--peers", action="store_true", help="all programs of tests.benchmarks.peers, for the backlog")
    return parser.parse_args(argv)


def save(figures: Figures, tweets: int) -> None:
    """Write build/bench.json."""
    machine = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    folder = Settings.from_environment().build_dir
    folder.mkdir(parents=True, exist_ok=True)
    result = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "tweets": tweets, "figures": figures}
    (folder / "bench.json").write_text(json.dumps(result, indent=1))


def rows(figures: Figures) -> Iterator[str]:
    """A row of Markdown for each figure and way: median, least and most, and how many times better than the first way.

    That is the median of the ratios in each turn: another program that is busy for a while changes it little.
    """
    for figure, ways in figures.items():
        first = next(iter(ways.values()))
        for way, values in ways.items():
            pairs = zip(first, values, strict=True)
            ratios = [a / b if figure.endswith(LOWER_IS_BETTER) else b / a for a, b in pairs]
            times = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            spread = f"{shown(statistics.median(values))} ({shown(min(values))} to {shown(max(values))})"
            yield f"| {figure} | {way} | {spread} | {times} |"


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    run(main)
