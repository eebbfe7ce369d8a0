"""Timeline of a stream through a fault: messages per second that arrived in its topic, and that were counted."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.consumer.store import Store
from lib.topics import Cluster

BEFORE_SECONDS, AFTER_SECONDS = 3, 3  # how much is drawn around the fault
LINEAR_TO = 400  # messages per second, from where the scale is logarithmic: the peak after a fault is high
TICKS = [0, 200, 400, 1000, 2000, 5000]


def times(cluster: Cluster, topic: str, store: Store) -> pd.DataFrame:
    """(arrived, counted) of each message of a topic with one partition, in seconds since 1970.

    It arrived by the broker's clock; it was counted when its micro-batch was stored (NaN: it is not counted yet).
    """
    select = "SELECT ends, begun, seconds FROM batches ORDER BY batch"
    batches = pd.read_sql(select, store.engine, parse_dates=["begun"])
    stored = (batches["begun"] - pd.Timestamp(0)).dt.total_seconds() + batches["seconds"]
    ends = batches["ends"].map(lambda text: json.loads(text)["0"])
    records = list(cluster.read(topic))
    numbers = np.searchsorted(ends, [record.offset for record in records], side="right")
    arrived = [record.timestamp / 1000 for record in records]
    return pd.DataFrame({"arrived": arrived, "counted": stored.reindex(numbers).to_numpy()})


def recovery(found: pd.DataFrame, fault: float) -> float:
    """Seconds from a fault (seconds since 1970) until a message was counted that arrived after it."""
    return found.loc[found["arrived"] > fault, "counted"].min() - fault


def draw(found: pd.DataFrame, fault: float, title: str) -> None:
    """Draw the rates through a fault, with the seconds to recover in the title."""
    seconds, shown = recovery(found, fault), found - fault
    bins = np.arange(-BEFORE_SECONDS, np.ceil(seconds) + AFTER_SECONDS + 1)
    axes = plt.figure(figsize=(8, 2.4)).add_subplot()
    for name in shown:
        rate = np.histogram(shown[name], bins)[0].astype(float)
        rate[bins[1:] > shown[name].max() + 1] = np.nan  # nothing more was sent
        axes.stairs(rate, bins, label=name, linewidth=1.8)
    axes.axvspan(0, seconds, color="C3", alpha=0.1, label="fault")
    axes.set(title=f"{title}: {seconds:.1f} s to recover", xlabel="seconds since the fault", ylabel="tweets per second")
    axes.set_yscale("symlog", linthresh=LINEAR_TO)
    axes.set_yticks(TICKS, map("{:,}".format, TICKS))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    plt.show()
