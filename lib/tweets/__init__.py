"""Synthetic tweets: reproducible from a seed, a start and a rate, without a clock or a broker."""

from lib.tweets.options import add_options, parse_time
from lib.tweets.stream import BURST_EVERY, FIXED_START, Message, burst, stream

__all__ = ["BURST_EVERY", "FIXED_START", "Message", "add_options", "burst", "parse_time", "stream"]
