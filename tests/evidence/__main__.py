"""Command line: run the pipeline, measure each claim, and write what the slides read (`make evidence`).

It writes notebooks/evidence/evidence.json and the pictures of the live table beside it. A measurement that fails is
written as failed, with its error; the exit code is 1 unless all claims hold.
"""

import argparse
import logging
import os
import time
from collections.abc import Callable, Sequence

import pyspark

from lib.course.evidence import FILE, PLACE, Claim, Evidence, hashes
from lib.course.recording import to_json
from lib.errors import run
from lib.settings import KAFKA_VERSION, Settings
from lib.wait import exit_on_signals
from tests.evidence import measured, pictures
from tests.faults.__main__ import machine


def main(argv: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(prog="python -m tests.evidence", description=__doc__).parse_args(argv)
    settings = Settings.from_environment()
    exit_on_signals()
    logging.disable(logging.ERROR)  # else py4j reports each call to a Spark that was killed
    pages: dict[str, str] = {}
    data, errors = {}, {}

    def add(name: str, measure: Callable[[], object]) -> None:
        print(f"==> measuring: {name}", flush=True)
        try:
            data[name] = measure()
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"    failed: {errors[name]}", flush=True)

    add("kills", lambda: {victim: to_json(each) for victim, each in measured.kills(settings).items()})
    add("stream", lambda: measured.stream(settings, pages.__setitem__))
    add("oracle", lambda: measured.oracle(settings))
    add("pictures", lambda: pictures.take(settings, pages, PLACE))
    data["errors"] = errors
    data["load"] = round(os.getloadavg()[1], 1)
    versions = {"Kafka": KAFKA_VERSION, "Spark": pyspark.__version__}
    found = Evidence(time.strftime("%Y-%m-%d"), versions, machine(), hashes(), claims(data, errors), data)
    found.write()
    for claim in found.claims:
        print(f"{'holds ' if claim.holds else 'FAILED'} {claim.name}: {claim.shown} ({claim.limit}) {claim.error}")
    print(f"==> {FILE}")
    return int(not all(claim.holds for claim in found.claims))


def claims(data: dict, errors: dict[str, str]) -> list[Claim]:
    """The claims of the report, each with the value that was measured, or with the error of its measurement."""

    def claim(name: str, statement: str, source: str, read: Callable[[dict], tuple], unit: str = "", **limits) -> Claim:
        if source in errors:
            return Claim(name, statement, "", unit=unit, error=errors[source], **limits)
        value, words = read(data[source])
        return Claim(name, statement, words, round(float(value), 2), unit, **limits)

    k = len(data.get("oracle", ()))
    return [
        claim("immediacy", "Counts follow in seconds", "stream", immediacy, "s", at_most=5),
        claim("decoupling", "The producer outlives Spark", "kills", decoupling, "%", at_least=90),
        claim("scalability", "More members, more rate", "stream", scalability, "times", at_least=3),
        claim("exactness", "Each count is right", "stream", exactness, at_most=0),
        claim("fault tolerance", "A kill loses nothing", "kills", tolerance, at_most=0),
        claim("an honest oracle", "A wrong count is noticed", "oracle", caught, f"of {k}", at_least=k),
    ]  # fmt: skip


def immediacy(stream: dict) -> tuple[float, str]:
    latency = stream["latency"]
    return latency["p95"], f"topic to count, p95 of {latency['messages']:,} messages"


def decoupling(kills: dict) -> tuple[float, str]:
    """Tweets that arrived from the kill of Spark to the recovery, in percent of what was to be sent."""
    spark = kills["Spark"]
    arrived = sum(n for at, n in zip(spark["seconds"], spark["arrived"], strict=True) if 0 <= at < spark["recovery"])
    bins = sum(0 <= at < spark["recovery"] for at in spark["seconds"])
    width = spark["seconds"][1] - spark["seconds"][0]
    share = 100 * arrived / (bins * width * spark["rate"])
    return share, f"of its rate arrived, in {spark['recovery']:.0f} s without Spark"


def scalability(stream: dict) -> tuple[float, str]:
    group = stream["group"]
    return group["4"] / group["1"], "the rate of one member, by four that wait"


def exactness(stream: dict) -> tuple[float, str]:
    return stream["differ"], f"of {stream['compared']:,} counts differ ({stream['sent']:,} messages)"


def tolerance(kills: dict) -> tuple[float, str]:
    total = sum(each["missing"] + each["wrong"] for each in kills.values())
    acknowledged = max(each["acknowledged"] for each in kills.values())
    return total, f"wrong or missing, {acknowledged:,} tweets, {len(kills)} kills"


def caught(oracle: dict) -> tuple[float, str]:
    return sum(oracle.values()), "faults that we put in, found by the oracle"


if __name__ == "__main__":
    run(main)
