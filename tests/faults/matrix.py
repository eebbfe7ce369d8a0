"""The faults, as data: what is done to the programs, in order. `python -m tests.faults` runs them; see RESULTS.md."""

from tests.faults.actions import (
    break_,
    check,
    interrupt,
    kill,
    launch,
    mend,
    pause,
    produce,
    refused,
    restart,
    send,
    start,
    stop,
)
from tests.faults.messages import hashtags, malformed
from tests.faults.scenario import fault

FLOW = (start("producer"), start("consumer"))  # 200 tweets per second, counted as they come
NOTEBOOK = start("notebook")  # a kernel with both of them

# The last two arguments: how many runs (seeds 0, 1, ...), and whether one of them is a part of `make test`.
MATRIX = (
    fault("broker killed", *FLOW, kill("broker"), start("broker"), check, runs=3),
    fault("broker paused for 10 s", *FLOW, pause("broker", seconds=10), check, runs=3, short=True),
    fault("broker's disk full", *FLOW, break_("disk"), mend("disk"), start("broker"), check, runs=2),
    fault(
        "broker's port taken when it starts",
        *FLOW,
        stop("broker"),
        break_("port"),
        refused("broker", "is taken by"),
        mend("port"),
        start("broker"),
        check,
    ),
    fault("producer killed", *FLOW, kill("producer", within=3), start("producer"), check, runs=5, short=True),
    fault("consumer stopped by SIGTERM", *FLOW, stop("consumer"), start("consumer"), check, runs=3),
    fault("consumer killed", *FLOW, kill("consumer", within=3), start("consumer"), check, runs=20),
    fault(
        "consumer killed in a micro-batch",
        *FLOW,
        kill("consumer", within=3, in_a_batch=True),
        stop("producer"),  # newer counts of the same windows would hide what the repeated batch does not write
        start("consumer"),
        check,
        runs=5,
        short=True,
    ),
    fault(
        "consumer killed while it starts",
        start("producer"),
        launch("consumer"),
        kill("consumer", within=10),
        start("consumer"),
        check,
        kill("consumer"),
        runs=5,
    ),
    fault("Spark's Java process killed", *FLOW, kill("spark", within=3), start("consumer"), check, runs=10),
    fault("malformed messages of every kind", *FLOW, send(malformed), check),
    fault("hostile hashtags", *FLOW, send(hashtags), check, short=True),
    fault("a producer's clock 50 minutes fast", *FLOW, produce(500, clock_minutes=50, verdict="malformed"), check),
    fault(
        "a producer's clock 50 minutes slow", *FLOW, produce(500, clock_minutes=-50, verdict="late"), check, short=True
    ),
    fault("kernel interrupted", NOTEBOOK, interrupt("notebook"), check),
    fault("kernel restarted", NOTEBOOK, restart("notebook"), NOTEBOOK, check),
    fault("kernel killed", NOTEBOOK, kill("notebook"), NOTEBOOK, check),
    fault(
        "two notebooks on one broker and one store",
        NOTEBOOK,
        refused("second notebook", "another consumer uses"),
        check,
    ),
    fault(
        "topic recreated",
        *FLOW,
        check,
        stop("consumer"),
        break_("topic"),
        refused("consumer", "was deleted and recreated"),
    ),
)
