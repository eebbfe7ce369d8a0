"""Topics of a Kafka cluster: create, list, describe, alter, read and delete them, in Python or on the command line."""

from lib.topics.cluster import Cluster, Record

__all__ = ["Cluster", "Record"]
