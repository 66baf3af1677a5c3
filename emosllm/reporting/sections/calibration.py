"""The section on calibration: reliability, ECE, Brier score and NLL, before and after a temperature."""

from emosllm.evaluation.calibration import Calibration
from emosllm.reporting.blocks import Cell, Picture, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations

_FIGURES = {
    "accuracy": "accuracy",
    "confidence": "confidence",
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "brier": "Brier",
    "nll": "NLL",
}


def calibration(compared: ComparedEvaluations) -> Section | None:
    """Calibration, before and after a temperature."""
    series: dict[str, Calibration] = {}
    rows: list[tuple[Cell, ...]] = []
    for evaluation in compared.evaluations:
        found = evaluation.report.confidence
        if found is None:
            continue
        calibrations = {"as_given": found.as_given, "calibration": found.calibration}
        for key, each in calibrations.items():
            if each is None:
                continue
            temperature = 1.0 if key == "as_given" else found.temperature
            label = "T of each fold" if temperature is None else f"T = {temperature:.2f}"
            name = label if found.as_given else "as given"
            name = f"{evaluation.name}, {name}" if compared.several else name
            if not (compared.several and key == "as_given"):
                series[name] = each
            figures = [evaluation.figure(f"confidence/{key}/{figure}") for figure in _FIGURES]
            rows.append((name, *figures, each.n))
    if not rows:
        return None
    head = ("", *_FIGURES.values(), "clips")
    text = (
        "Agreement of confidence and accuracy. ECE is their mean gap over 15 bins. The Brier score is the mean "
        "squared distance of probabilities and truth (0 is best, 2 worst). NLL is in nats. A temperature T above 1 "
        "lowers the confidence and changes no answer."
    )

    def draw() -> object:
        from emosllm.reporting.plots import draw_reliability

        return draw_reliability(series, "")

    caption = "Reliability: the share that is right over confidence; on the diagonal, probabilities mean what they say."
    return Section("Calibration", (Picture(draw, caption), Table(head, tuple(rows))), (text,))
