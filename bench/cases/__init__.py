"""The cases of the benchmark, by name."""

from bench.case import Case
from bench.cases import cues, features, labels, recognition, startup, training

CASES: dict[str, Case] = {
    case.name: case for module in (training, features, recognition, labels, cues, startup) for case in module.CASES
}
