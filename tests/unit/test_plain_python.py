import json

import pytest

from lib import tweets
from lib.consumer.store import Batch
from lib.query import TrendQuery
from lib.recount import hashtags, recount
from lib.topics import Record
from tests.benchmarks import peers, plain_python
from tests.benchmarks.peers import PEERS
from tests.benchmarks.plain_python import Counting

QUERY = TrendQuery("30 seconds", "5 seconds", "30 seconds")
SENT_MS = round(tweets.FIXED_START.timestamp() * 1000)


@pytest.mark.parametrize("full", [True, False])
def test_its_windows_are_those_of_the_recount(full):
    flaws = {"malformed": 0.05, "duplicates": 0.05} if full else {}
    messages = list(tweets.stream(5000, rate=0, **flaws))
    records = [Record(0, number, SENT_MS + number, *message) for number, message in enumerate(messages)]
    answer = recount(records, [Batch({0: 5000}, 0, 0)], QUERY.window_ms, QUERY.slide_ms, QUERY.watermark_ms)
    counting = Counting(QUERY, full, json.loads)
    counting.add((record.value, record.timestamp) for record in records)
    assert counting.windows() == answer.windows
    assert answer.totals() == {
        "received": 5000, "counted": 4500 if full else 5000, "duplicates": 250 * full, "late": 0,
        "malformed": 250 * full,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["a#b ##x # #!", "#Fußball #ÑANDÚ #東京", "#a_1-b #½ #Ⅷ", "#हिन्दी #தமிழ் #é #a\ufe0f"])
def test_hashtags_of_all_scripts(text):
    assert plain_python.hashtags(text) == hashtags(text)


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_a_peer_that_is_not_installed_says_what_to_type(peer, monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("sys.path", [])
        missing = peer.missing
    assert missing == f"pip install {peer.install}"
    folder = f"--target build/peers/{peer.program.__name__} "  # the one in which it is found
    assert peer.install == "-e '.[bench]'" or peer.install.startswith(folder)


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_a_peer_is_found_in_its_own_folder(peer, monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    (peer.site / peer.module).mkdir(parents=True)
    (peer.site / peer.module / "__init__.py").touch()
    assert peer.missing == ""
