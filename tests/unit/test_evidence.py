"""The evidence of the defence: what holds, what is shown as failed, and that the committed one fits the code."""

from dataclasses import replace

import pytest

from lib.course import deck
from lib.course.evidence import Claim, Evidence, hashes, table_of, tables
from lib.course.live_kill import Replay, start
from lib.course.recording import Recording, from_json, to_json
from lib.errors import SettingError
from lib.settings import ROOT, Settings
from tests.evidence.__main__ import claims

CLAIM = Claim("speed", "It is fast", "seconds", 2.0, "s", at_least=1, at_most=3)
KILL = Recording("Spark", "2026-01-01", 10, 100, 0, 7, 0, 2.0, [-0.5, 0, 0.5, 1, 1.5], [5, 5, 5, 0, 5], [5, 0, 0, 0, 9])


@pytest.mark.parametrize("change", [{"value": None}, {"value": 0.9}, {"value": 3.1}, {"error": "TimeoutError"}])
def test_a_claim_holds_only_if_it_was_measured_within_its_limits(change):
    assert CLAIM.holds and "holds" in deck.verdict(CLAIM)
    failed = replace(CLAIM, **change)
    assert not failed.holds and "FAILED" in deck.verdict(failed)


def test_a_failed_measurement_is_shown_as_failed_with_its_error():
    failed = claims(
        {"stream": {}, "kills": {}}, {name: "TimeoutError: <late>" for name in ("stream", "kills", "oracle")}
    )
    assert len(failed) == 6 and not any(claim.holds for claim in failed)
    page = deck.ledger(Evidence("2026-01-01", {}, "a machine", {}, failed)).data
    assert page.count("FAILED") == 6 == page.count("TimeoutError: &lt;late&gt;") and "✓" not in page
    assert page.count("not measured") == 6
    assert "FAILED" in deck.big(failed[0]).data and "TimeoutError" in deck.big(failed[0]).data


def test_what_was_measured_outside_the_limits_is_a_failed_claim():
    oracle = {"a lost batch": True, "windows shifted": False}
    kills = {"Spark": to_json(replace(KILL, missing=1))}
    found = {claim.name: claim for claim in claims({"oracle": oracle, "kills": kills}, {"stream": "no broker"})}
    assert (found["an honest oracle"].shown, found["an honest oracle"].holds) == ("1 of 2", False)
    assert (found["fault tolerance"].value, found["fault tolerance"].holds) == (1, False)
    assert (found["decoupling"].value, found["decoupling"].holds) == (75, False), "15 of the 20 of two seconds"
    assert deck.marks(oracle).data.count("✗") == 1


def test_evidence_is_read_as_it_was_written(tmp_path):
    written = Evidence("2026-01-01", {"Kafka": "4"}, "a machine", hashes(), (CLAIM,), {"numbers": [1, 2.5, -3]})
    written.write(tmp_path / "evidence.json")
    assert Evidence.read(tmp_path / "evidence.json") == written and written.outdated() == []
    assert "[ 1, 2.5, -3 ]" in (tmp_path / "evidence.json").read_text(), "numbers stand in one line"
    assert replace(written, code={}).outdated() == list(hashes())


def test_the_committed_evidence_is_no_older_than_the_code():
    evidence = Evidence.read()
    assert evidence.outdated() == [], "make evidence"
    assert all(evidence.data[name] for name in ("kills", "stream", "oracle"))
    assert evidence.day and evidence.machine and evidence.versions.keys() == {"Kafka", "Spark"}


def test_tables_of_markdown_pages_and_of_lessons():
    faults = tables(ROOT / "tests/faults/RESULTS.md")[0]
    assert faults.columns[:3].to_list() == ["Runs", "Acknowledged", "Lost"] and "broker killed" in faults.index
    sinks = table_of("06_fault_tolerance", "right hashtags")
    assert sinks.index.unique().to_list() == ["at most once", "at least once", "effectively once"]
    assert sinks.columns.to_list() == ["killed", "missing", "surplus", "right hashtags"] and len(sinks) == 9
    assert sinks["killed"].to_list() == 3 * ["before both", "between", "after both"]
    with pytest.raises(LookupError):
        table_of("06_fault_tolerance", "no such words")


def test_a_recorded_kill_is_replayed_where_no_pipeline_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    recorded, settings = {"Spark": from_json(to_json(KILL))}, Settings(build_dir=tmp_path)
    for replay in (start(settings, recorded, 10), start(settings, recorded, 10, live=False)):
        assert isinstance(replay, Replay)
        replay.show()
        kill = replay.kill("Spark")
        assert kill == replace(KILL, replayed=True) and "replay of 2026-01-01" in str(kill)
        assert "verdict: right" in str(kill) and "WRONG" in str(replace(kill, wrong=1))
        with pytest.raises(SettingError):
            replay.kill("broker")
        replay.close()
    told = capsys.readouterr().out
    assert "JAVA_HOME" in told and "LIVE is off" in told
