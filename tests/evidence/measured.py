"""Measurements of the evidence, each on the real pipeline: kills, a live stream, a batch job, a group, the oracle."""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
from kafka import KafkaProducer

from lib import trends, tweets
from lib.consumer.status import status_of
from lib.course import timeline
from lib.course.group import Group, rates
from lib.course.live_kill import QUERY, TOPIC, VICTIMS, Pipeline
from lib.course.members import settled
from lib.course.recording import Recording
from lib.course.trials import wrong
from lib.live_table import to_html
from lib.producer import BATCHING
from lib.ranking import to_dict
from lib.settings import ROOT, Settings
from lib.topics import Cluster
from lib.wait import wait_until

KILL_RATE, RATE = 200, 500  # tweets per second
STREAM_SECONDS = 75
PICTURES_AT = (45, 60)  # seconds of tweets in the topic: two moments of the live table
WARM_SECONDS = 10  # until the latency counts: the speaker says so
ROWS = 6  # of the live table, so that they are large on a slide
MISCHIEF = {"late": 0.01, "duplicates": 0.02, "malformed": 0.01}
MEMBERS, MESSAGE_SECONDS, MEASURE_SECONDS = ("ana", "ben", "carla", "dora"), 0.005, 3
STEP_SECONDS = 0.5  # of the progress


def kills(settings: Settings) -> dict[str, Recording]:
    """Kill each part of a pipeline once; {victim: Recording}."""
    with Pipeline(settings, "evidence", KILL_RATE) as pipeline:
        return {victim: pipeline.kill(victim) for victim in VICTIMS}


def stream(settings: Settings, keep: Callable[[str, str], None]) -> dict[str, object]:
    """Count a live stream with late, repeated and malformed tweets, and the same topic by a batch job and a group.

    `keep` gets the live table at two moments, as a name and its HTML.
    """
    count = RATE * STREAM_SECONDS
    with Pipeline(settings, "evidence", RATE, count=count, **MISCHIEF) as pipeline:
        for number, seconds in enumerate(PICTURES_AT, start=1):
            wait_until(lambda goal=seconds * RATE: pipeline.consumer.progress.offsets.get(0, 0) >= goal, 200)
            shown = pipeline.consumer.store.ranking(ROWS), pipeline.consumer.store.totals()
            keep(f"live_table_{number}", to_html(*shown, status_of(pipeline.consumer)))
        sent = pipeline.producer.wait(200)["acked"]
        answer, store = pipeline.answer(), pipeline.consumer.store
        found = timeline.times(pipeline.cluster, TOPIC, store)
        counts = Counter(to_dict(store.windows()))
        totals = {name: int(number) for name, number in wait_until(lambda: reported(store.totals(), sent), 60).items()}
        marks = sum(own != of_spark for own, of_spark in answer.watermarks)
        differ = wrong(counts, answer.windows) + marks + (totals != answer.totals()) + (sent != totals["received"])
        return {
            "rate": RATE, "sent": sent, "totals": totals, "batches": len(store.batches()),
            "compared": len(counts | answer.windows), "differ": int(differ),
            "latency": percentiles(found), "progress": progress(found),
            "batch job": batch_job(pipeline), "group": group(pipeline.cluster),
        }  # fmt: skip


def reported(totals: dict[str, int], received: int) -> dict[str, int] | None:
    """The totals, once Spark has reported all messages."""
    return totals if totals["received"] == received else None


def percentiles(found) -> dict[str, float]:
    """Seconds from the topic to the store, of the messages after the first 10 s, in which Java warms up."""
    warm = found[found["arrived"] > found["arrived"].min() + WARM_SECONDS]
    seconds = (warm["counted"] - warm["arrived"]).quantile([0.5, 0.95, 0.99])
    return {f"p{share * 100:.0f}": round(value, 2) for share, value in seconds.items()} | {"messages": len(warm)}


def progress(found) -> dict[str, list]:
    """How many tweets were in the topic, and how many counted, at each moment."""
    shown = found - found["arrived"].min()
    seconds = np.arange(0, shown["counted"].max() + STEP_SECONDS, STEP_SECONDS)
    sums = {name: np.searchsorted(np.sort(shown[name]), seconds, side="right").tolist() for name in shown}
    return {"seconds": seconds.tolist()} | sums


def batch_job(pipeline: Pipeline) -> dict[str, object]:
    """Count the whole topic by a batch job, with the same functions; its seconds, and how many tweets it has."""
    began = time.monotonic()
    kafka = {"kafka.bootstrap.servers": pipeline.cluster.address, "subscribe": TOPIC}
    messages = pipeline.consumer.spark.read.format("kafka").options(**kafka).load()
    windows = trends.trending(messages, QUERY).collect()
    seconds = time.monotonic() - began
    once = messages.transform(trends.parse).transform(trends.keep_tweets)
    once = once.transform(trends.drop_duplicates, QUERY.watermark)
    return {"seconds": round(seconds, 2), "tweets": once.count(), "counts": len(windows)}


def group(cluster: Cluster) -> dict[str, float]:
    """{members: messages per second} of a group on four partitions whose members wait 5 ms for each message."""
    cluster.create("group", len(MEMBERS))
    with KafkaProducer(bootstrap_servers=cluster.address, **BATCHING) as client:
        for key, value in tweets.stream(30_000, rate=0):
            client.send("group", value, key)
    found = {}
    with Group(cluster.address, "group", "group", MESSAGE_SECONDS) as members:
        for number, name in enumerate(MEMBERS, start=1):
            members.join(name)
            share = settled(cluster, "group", "group", members.members)
            [rate] = rates([members], [share], MEASURE_SECONDS)
            found[str(number)] = round(rate, 1)
    return found


def oracle(settings: Settings) -> dict[str, bool]:
    """{fault put into the pipeline on purpose: whether the oracle caught it}, by the tests in test_oracle.py.

    AssertionError if it does not agree with the pipeline without a fault: then what it catches says nothing.
    """
    report = settings.folder("evidence") / "oracle.xml"
    command = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests/integration/test_oracle.py"]
    subprocess.run([sys.executable, "-m", "pytest", *command], cwd=ROOT, stdout=subprocess.DEVNULL, timeout=500)
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        passed = not any(child.tag in ("failure", "error", "skipped") for child in case)
        if name := re.search(r"test_the_recount_finds\[(.+)\]", case.get("name")):
            found[name[1]] = passed
        else:
            assert passed, "without a fault the oracle does not agree"
    return found
