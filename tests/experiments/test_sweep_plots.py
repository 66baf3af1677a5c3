"""Plots of sweeps: every figure is in its cell, the best has a frame, and missing figures are a dash."""

from dataclasses import replace

import pytest

from emosllm.errors import UserError
from emosllm.evaluation.metrics import Interval
from emosllm.experiments.plots import draw_heatmap, draw_line, short_key, write_pictures
from emosllm.experiments.results import Origin, Results, Row

NOWHERE = Origin(None, {}, {}, 0.0, 0.0)


def row(values, mean):
    runs = tuple({"fold": f"fold-{n}", "seed": 0, "ua": (mean or 0) + 0.01 * n} for n in range(2))
    return Row(" ".join(values.values()), values, runs, mean, mean and 0.02, mean, None, None, None, 9, (), "", NOWHERE)


def results(keys, rows):
    return Results("a: b", "ua", keys, {"fold-1": {}, "fold-2": {}}, 1, "", (), tuple(rows), {}, {}, {})


def texts(figure):
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts]


def test_a_heatmap_shows_means_failures_and_what_is_not_done():
    keys = {"lora.rank": ["2", "4"], "phases.p3.optimiser.learning_rate": ["1e-3", "1e-4"]}
    cells = [(("2", "1e-3"), 0.5), (("2", "1e-4"), 0.625), (("4", "1e-3"), None)]
    found = results(keys, [row(dict(zip(keys, values, strict=True)), mean) for values, mean in cells])
    figure = draw_heatmap(found)
    assert texts(figure) == ["0.500\n±0.020", "0.625\n±0.020", "failed", "–"]
    (axes,) = figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("lora.rank", "learning_rate")
    (frame,) = axes.patches
    assert (frame.get_x() + 0.48, frame.get_y() + 0.48) == (1, 0)  # second column, first row: the best


def test_a_line_joins_numbers_and_not_names():
    def style(values):
        (axes,) = draw_line(results({"k.v": values}, [row({"k.v": value}, 0.5) for value in values])).axes
        return [line.get_linestyle() for line in axes.lines if line.get_marker() == "o"]

    assert style(["1", "2", "4"]) == ["-"]
    assert style(["ser", "transcript-first"]) == ["None"]
    assert texts(draw_line(results({"k.v": ["1", "2"]}, [row({"k.v": "2"}, 0.5)]))) == ["0.500"]


def test_one_training_on_one_split_shows_the_interval_of_its_clips():
    single = [replace(row({"k.v": value}, 0.5), sd=None, interval=Interval(0.4, 0.625)) for value in ("1", "2")]
    found = replace(results({"k.v": ["1", "2"]}, single), folds={"fold-1": {}})
    (axes,) = draw_line(found).axes
    ends = [sorted(float(y) for _, y in path.vertices) for bar in axes.collections for path in bar.get_paths()]
    assert ends == [[0.4, 0.625]] * 2
    assert axes.get_title(loc="left").endswith("95 % interval of its clips")
    (axes,) = draw_line(replace(found, seeds=2)).axes  # the interval is of the first seed, the point of both
    assert not axes.collections


def test_other_grids_have_no_picture(tmp_path):
    keys = {"a": ["1", "2"], "b": ["1", "2"], "c": ["1", "2"]}
    assert write_pictures(results(keys, []), tmp_path) == []
    assert write_pictures(results({}, []), tmp_path) == []
    for draw in (draw_heatmap, draw_line):
        with pytest.raises(UserError, match="this experiment 3"):
            draw(results(keys, []))


def test_keys_are_shown_by_their_last_part():
    assert short_key("phases.p3.optimiser.batch_size") == "batch_size"
    assert short_key("lora.rank") == "lora.rank"
