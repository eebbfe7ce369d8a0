"""Producer: sends synthetic tweets to a topic at a steady rate, in this process or in the background of a notebook."""

from lib.producer.background import RunningProducer, start_producer
from lib.producer.client import BATCHING, SAFETY, send

__all__ = ["BATCHING", "SAFETY", "RunningProducer", "send", "start_producer"]
