"""`make run`: the master notebook, executed by papermill, among other people's messages."""

import json
import re

import nbformat
from filelock import FileLock

from lib.errors import StepError

# A second notebook on the same broker and topic, which verifies its own tweets.
SECOND = [
    """from datetime import UTC, datetime
from lib import consumer, tweets
from lib.producer import start_producer
from lib.query import TrendQuery
from lib.ranking import to_dict
from lib.recount import compare, recount, sent_by
from lib.settings import Settings
from lib.spark_session import spark_session
from lib.topics import Cluster
settings = Settings.from_environment()
cluster, topic = Cluster(settings.bootstrap_servers), settings.topic
spark = spark_session(settings, "second")
output = settings.build_dir / "second"
query = TrendQuery("30 seconds", "5 seconds", "30 seconds")""",
    """beginning = cluster.offsets(topic)
producer = start_producer(
    settings, topic, count=5000, seed=4, start=datetime.now(UTC), rate=500, late=0.01, duplicates=0.02, malformed=0.01
)
running = consumer.start(consumer.read_topic(spark, cluster, topic, beginning), query, output, cluster, topic)
running.active, producer.running""",
    """producer.wait(seconds=120)
running.wait_for(cluster.offsets(topic), seconds=180)
totals = running.stop()""",
    """batches = running.store.batches()
records = list(cluster.read(topic, beginning, batches[-1].ends))
answer = recount(records, batches, query.window_ms, query.slide_ms, query.watermark_ms)
compare(answer, totals, to_dict(running.store.windows()))
own = answer.totals(of=sent_by(tweets.stream(**producer.options), records))
assert (own["received"], own["duplicates"], own["malformed"]) == (5000, 100, 50), own
assert totals["received"] > own["received"], "nobody else sent a message meanwhile\"""",
]


def test_two_notebooks_at_once_verify_each_its_own_tweets_among_those_of_others(
    cluster, settings, run_main, run_module, spawn, write, nothing_left
):
    """The main job beside another notebook, on one broker and one topic, which has messages already."""
    cluster.create(settings.topic)
    sent = run_main("producer", "--count", 3000, "--rate", 0, "--malformed", 0.1, "--seed", 3)
    assert json.loads(sent.stdout.splitlines()[-1])["acked"] == 3000, sent.stderr
    other = spawn("course.series", "--folder", write("00_second", "# Second", *SECOND).parent)
    run = run_module("course.main_job", timeout=300)
    shown, errors = other.communicate(timeout=300)
    assert other.returncode == 0 and "1 passed, 0 failed" in shown, shown + errors
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == errors == "", "nothing but the job's own words is printed"

    found = re.search(
        r"^verified: (\d+) tweets sent, (\d+) counted, (\d+) duplicates, (\d+) late, (\d+) malformed$", run.stdout, re.M
    )
    sent, counted, duplicates, late, malformed = map(int, found.groups())
    assert sent == 20_000 == counted + duplicates + late + malformed
    assert duplicates == 400 and malformed == 200 and 0 <= late <= 200  # none where a slow machine takes two batches
    assert "Trending topics" in run.stdout and run.stdout.count("│") > 30

    executed = settings.build_dir / "00_master.ipynb"
    outputs = [o for cell in nbformat.read(executed, 4).cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    page = executed.with_suffix(".html").read_text()
    assert 'class="trending mathjax_ignore' in page and 'src="data:image/svg+xml' in page

    assert cluster.answers(), "a broker that was there before stays"
    nothing_left()


def test_a_step_that_fails_is_named_and_everything_is_cleaned_up(cluster, run_main, nothing_left):
    run = run_main("course.main_job", environment={"STREAM_SPARK_MASTER": "nonsense"})
    assert run.returncode == 1 and isinstance(run.error, StepError)
    assert run.error.data["error"] == "SettingError" and run.error.data["step"].startswith("3. Spark")
    assert "'nonsense'" in run.error.what and "Traceback" not in run.stderr
    nothing_left()


def test_a_second_main_job_at_once_is_refused(run_main, settings):
    lock = settings.folder("runs") / "in-use.lock"
    with FileLock(lock):
        run = run_main("course.main_job")
    assert run.returncode == 1 and run.stdout == "" and run.error.data == {"used": lock}
