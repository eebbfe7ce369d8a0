"""The faults, as data: what is done to the programs, in order. `python -m tests.faults` runs them; see RESULTS.md."""

from tests.faults.actions import (
    WITHIN_3_S,
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
from tests.faults.scenario import Fault

FLOW = (start("producer"), start("consumer"))  # 200 tweets per second, counted as they come
NOTEBOOK = (start("notebook"),)  # a kernel with both of them

MATRIX = (
    Fault("broker killed", (*FLOW, kill("broker"), start("broker"), check), runs=3),
    Fault("broker paused for 10 s", (*FLOW, pause("broker", 10), check), runs=3, short=True),
    Fault("broker's disk full", (*FLOW, break_("disk"), mend("disk"), start("broker"), check), runs=2),
    Fault(
        "broker's port taken when it starts",
        (*FLOW, stop("broker"), break_("port"), refused("broker", "is taken by"), mend("port"), start("broker"), check),
    ),
    Fault("producer killed", (*FLOW, kill("producer", WITHIN_3_S), start("producer"), check), runs=5, short=True),
    Fault("consumer stopped by SIGTERM", (*FLOW, stop("consumer"), start("consumer"), check), runs=3),
    Fault(
        "consumer killed at a random moment",
        (*FLOW, kill("consumer", WITHIN_3_S), start("consumer"), check),
        runs=20,
        short=True,
    ),
    Fault(
        "consumer killed while it starts",
        (start("producer"), launch("consumer"), kill("consumer", within=10), *FLOW, check, kill("consumer")),
        runs=5,
    ),
    Fault("Spark's Java process killed", (*FLOW, kill("spark", WITHIN_3_S), start("consumer"), check), runs=10),
    Fault("malformed messages of every kind", (*FLOW, send(malformed), check), short=True),
    Fault("hostile hashtags", (*FLOW, send(hashtags), check), short=True),
    Fault(
        "a producer's clock 50 minutes fast",
        (*FLOW, produce(500, clock_minutes=50, verdict="malformed"), check),
        short=True,
    ),
    Fault(
        "a producer's clock 50 minutes slow",
        (*FLOW, produce(500, clock_minutes=-50, verdict="late"), check),
        short=True,
    ),
    Fault("kernel interrupted", (*NOTEBOOK, interrupt("notebook"), check)),
    Fault("kernel restarted", (*NOTEBOOK, restart("notebook"), *NOTEBOOK, check)),
    Fault("kernel killed", (*NOTEBOOK, kill("notebook"), *NOTEBOOK, check)),
    Fault(
        "two notebooks on one broker and one store",
        (*NOTEBOOK, refused("second notebook", "another consumer uses"), check),
    ),
    Fault(
        "topic recreated",
        (*FLOW, check, stop("consumer"), break_("topic"), refused("consumer", "was deleted and recreated")),
    ),
)
