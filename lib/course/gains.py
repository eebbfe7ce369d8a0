"""Gains of an experiment: how many times less a change costs than what was before, as predicted and as measured."""

from numbers import Real

import matplotlib.pyplot as plt

from lib.errors import SettingError

LITTLE = 1.3  # a factor between 1 / LITTLE and LITTLE may be noise


class Gains:
    """A factor for each change: 2 if it halves the cost, 1 if it changes nothing, below 1 if it makes it worse."""

    def __init__(self) -> None:
        self.predictions: dict[str, float] = {}
        self.factors: dict[str, float] = {}

    def predict(self, change: str, factor: float) -> None:
        """Write down a prediction; three dots are none. SettingError if it is not a number above 0."""
        self.predictions.pop(change, None)
        if factor is ...:
            return
        if not isinstance(factor, Real) or isinstance(factor, bool) or not factor > 0:
            raise SettingError(
                f"the prediction {factor!r} is not a factor", "write a number above 0, such as 2 or 0.5", value=factor
            )
        self.predictions[change] = float(factor)

    def measured(self, change: str, before: float, after: float) -> None:
        """Note what something cost before a change and after it, in the same unit, and print the factor."""
        self.factors[change] = before / after
        prediction = f"{self.predictions[change]:g}" if change in self.predictions else "none"
        print(f"{change}: factor {before / after:.1f} (prediction: {prediction})")

    def draw(self) -> None:
        """Draw the factors, the largest first, with the predictions beside them; grey where it may be noise."""
        factors = dict(sorted(self.factors.items(), key=lambda item: item[1]))
        axes = plt.subplots(figsize=(8, 0.9 + 0.27 * len(factors)))[1]
        colors = ["#a8b0b8" if 1 / LITTLE < factor < LITTLE else "C0" for factor in factors.values()]
        bars = axes.barh(list(factors), [factor - 1 for factor in factors.values()], left=1, color=colors)
        axes.bar_label(bars, [f"{factor:.1f}" for factor in factors.values()], padding=3, fontsize=8)
        said = {change: factor for change, factor in self.predictions.items() if change in factors}
        axes.plot(list(said.values()), list(said), "D", color="C1", label="your prediction")
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set(xscale="log", title="how many times less it costs after the change")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(min(0.5, *factors.values(), *said.values()) / 1.5, 2 * max([*factors.values(), *said.values()]))
        if said:
            axes.legend(loc="lower right")
        plt.show()
