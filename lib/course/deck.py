"""Content of the slides, drawn from the evidence: figures with an alternative text, and tables in large type."""

import html
from collections.abc import Callable, Mapping
from io import StringIO

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from matplotlib.figure import Figure

from lib.course.evidence import Claim, Evidence
from lib.course.recording import BIN_SECONDS, Recording
from lib.course.timeline import LINEAR_TO, TICKS


def show(figure: Figure, alt: str) -> None:
    """Display a figure as SVG, with its alternative text, and close it."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Title": alt})
    plt.close(figure)
    display({"image/svg+xml": text.getvalue(), "text/plain": alt}, raw=True, metadata={"image/svg+xml": {"alt": alt}})


def measured(evidence: Evidence, name: str, draw: Callable[[dict], HTML | None]) -> HTML | None:
    """Draw what was measured under this name; if the measurement has failed, say so, and why."""
    if name in evidence.data:
        return draw(evidence.data[name])
    why = html.escape(evidence.data["errors"][name])
    return HTML(f'<p><span class="failed">✗ FAILED</span> Not measured: {why}</p>')


def told(evidence: Evidence, name: str, sentence: str) -> str:
    """A sentence with values of what was measured under this name; empty if the measurement has failed."""
    return sentence.format(**evidence.data[name]) if name in evidence.data else ""


def timeline(recording: Recording) -> None:
    """Draw the tweets per second that arrived and that were counted, through a kill."""
    figure, axes = plt.subplots()
    edges = [*recording.seconds, recording.seconds[-1] + BIN_SECONDS]
    for name in ("arrived", "counted"):
        axes.stairs([n / BIN_SECONDS for n in getattr(recording, name)], edges, label=name, linewidth=3)
    axes.axvspan(0, recording.recovery, color="C3", alpha=0.12, label="until it recovered")
    axes.set_yscale("symlog", linthresh=LINEAR_TO)
    ticks = [*TICKS, 10_000]
    axes.set_yticks(ticks, map("{:,}".format, ticks))
    axes.set(
        xlabel=f"seconds since {recording.victim} was killed", ylabel="tweets per second", xlim=edges[:: len(edges) - 1]
    )
    figure.legend(loc="outside upper center", ncols=3)
    show(
        figure,
        f"Tweets per second, arrived and counted: {recording.victim} killed, {recording.recovery:.1f} s to recover",
    )


def progress(seconds: list[float], arrived: list[int], counted: list[int]) -> None:
    """Draw how many tweets were in the topic and how many were counted, at each moment."""
    figure, axes = plt.subplots()
    axes.plot(seconds, arrived, label="in the topic")
    axes.step(seconds, counted, where="post", label="counted")
    axes.set(xlabel="seconds", ylabel="tweets")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend()
    show(
        figure, f"Tweets in the topic and tweets counted: {arrived[-1]:,} and {counted[-1]:,} after {seconds[-1]:.0f} s"
    )


def scale(group: Mapping[str, float], cores: pd.DataFrame) -> None:
    """Draw the messages per second of a group by its members, and those of a query by partitions and cores.

    `cores` has a row for each number of partitions and a column for each number of cores, such as "2 cores".
    """
    figure, (left, right) = plt.subplots(1, 2)
    left.bar_label(left.bar(list(group), list(group.values())), fmt="{:,.0f}")
    left.set(xlabel="members of the group, 4 partitions", ylabel="messages per second")
    left.grid(visible=False, axis="x")
    for column, style in zip(cores, ("o-", "s--"), strict=True):
        right.plot(cores.index, cores[column].astype(int), style, label=column, markersize=10)
    right.set(xlabel="partitions, read by Spark", ylim=(0, 1.1 * cores.astype(int).max(axis=None)))
    right.yaxis.set_major_formatter("{x:,.0f}")
    right.legend()
    told = ", ".join(f"{rate:,.0f} with {number}" for number, rate in group.items())
    show(figure, f"Messages per second of a group, by its members: {told}; and of Spark, by partitions and cores")


def verdict(claim: Claim) -> str:
    """HTML that says whether a claim holds."""
    return '<span class="holds">✓ holds</span>' if claim.holds else '<span class="failed">✗ FAILED</span>'


def ledger(evidence: Evidence) -> HTML:
    """All claims in a table: the value, what it is (or why it could not be measured), its limit, and the verdict."""
    rows = [
        {
            "claim": html.escape(each.statement),
            "measured": f"<strong>{each.shown}</strong> <small>{html.escape(each.error or each.measured)}</small>",
            "limit": each.limit,
            "": verdict(each),
        }
        for each in evidence.claims
    ]
    return table(pd.DataFrame(rows).set_index("claim"), escape=False, kind="ledger")


def big(claim: Claim) -> HTML:
    """A claim's value in very large type, and what it is; or that the claim has failed, and why."""
    words = html.escape(claim.error or claim.measured)
    failure = "" if claim.holds else f"{verdict(claim)} "
    return HTML(f'<p class="big">{claim.shown}</p><p>{failure}{words}</p>')


def table(frame: pd.DataFrame, escape: bool = True, kind: str = "") -> HTML:
    """A table in large type, the index as its first column; `kind`: a class of slides.css."""
    classes = f"tex2jax_ignore mathjax_ignore {kind}".strip()
    return HTML(frame.reset_index().to_html(index=False, border=0, escape=escape, classes=classes))


def source(evidence: Evidence, told: str = "") -> HTML:
    """The bottom of a slide: a sentence in larger type, and when, where and with what it was measured."""
    return footer(told, evidence.source)


def footer(told: str, source: str) -> HTML:
    """The bottom of a slide: a sentence in larger type, and where its figures come from."""
    above = f"<p>{html.escape(told)}</p>" if told else ""
    return HTML(f'<footer>{above}<p class="source">{html.escape(source)}</p></footer>')


def marks(found: Mapping[str, bool]) -> HTML:
    """Names with a mark for each: whether it is true."""
    signs = {True: ("holds", "✓"), False: ("failed", "✗")}
    items = [f'<li><span class="{signs[each][0]}">{signs[each][1]}</span> {name}</li>' for name, each in found.items()]
    return HTML(f'<ul class="marks">{"".join(items)}</ul>')


def sentences(*texts: str) -> HTML:
    """A list of sentences, each HTML."""
    return HTML(f"<ul>{''.join(f'<li>{text}</li>' for text in texts)}</ul>")
