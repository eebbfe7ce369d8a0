"""Producer: sends synthetic tweets to a topic at a steady rate, in this process or in the background of a notebook."""

from lib.producer.background import RunningProducer, start_producer
from lib.producer.client import send
from lib.producer.delivery import BATCHING, SAFETY

__all__ = ["BATCHING", "SAFETY", "RunningProducer", "send", "start_producer"]
