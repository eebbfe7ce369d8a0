"""Gains: a factor for each change, as predicted and as measured."""

import matplotlib.pyplot as plt
import pytest

from lib.course.gains import Gains
from lib.errors import SettingError


def test_a_factor_is_what_it_cost_before_by_what_it_costs_after(capsys):
    gains = Gains()
    gains.predict("cache", 2)
    gains.measured("cache", before=6.0, after=1.5)
    gains.measured("colour", before=1.0, after=2.0)
    assert gains.factors == {"cache": 4.0, "colour": 0.5}
    lines = ["cache: factor 4.0 (prediction: 2)", "colour: factor 0.5 (prediction: none)"]
    assert capsys.readouterr().out.splitlines() == lines


def test_three_dots_are_no_prediction_and_take_an_earlier_one_back():
    gains = Gains()
    gains.predict("cache", 2)
    gains.predict("cache", ...)
    assert gains.predictions == {}


@pytest.mark.parametrize("factor", [0, -2, "3", True, None, float("nan")])
def test_a_prediction_is_a_factor(factor):
    with pytest.raises(SettingError):
        Gains().predict("cache", factor)


def test_a_factor_near_1_is_grey_and_a_loss_is_not(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    gains = Gains()
    for factor in (0.5, 0.8, 1.2, 2):
        gains.measured(str(factor), factor, 1)
    gains.draw()
    loss, *near, gain = [bar.get_facecolor() for bar in plt.gca().patches]
    assert loss == gain and near[0] == near[1] != gain
    plt.close()


@pytest.mark.parametrize("predicted", [{}, {"cache": 0.01, "not measured": 7}])
def test_the_plot_has_a_bar_for_each_change_and_a_mark_for_each_prediction(predicted, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    gains = Gains()
    for change, factor in predicted.items():
        gains.predict(change, factor)
    for change, before in {"cache": 40, "colour": 0.9}.items():
        gains.measured(change, before, 1)
    gains.draw()
    (axes,) = plt.gcf().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["colour", "cache"]
    assert len(axes.patches) == 2 and len(axes.lines[0].get_xdata()) == ("cache" in predicted)
    low, high = axes.get_xlim()
    assert all(low < x < high for x in [0.9, 1, 40, *predicted.values()] if x != 7)
    plt.close()
