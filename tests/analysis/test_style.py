"""Labels, ticks and colours of figures."""

import h5py
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from made_up import BLOCKED, EVALUATE, Sweep
from steergrid_analysis import draw_models, draw_runs, draw_vectors, figures, open_results, plots, style, summarise


def test_tick_labels_on_a_linear_axis_keep_their_distance():
    kept = style.apart(np.array([-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4]))
    assert {-4, 0, 4} <= set(kept) and min(np.diff(kept)) >= 0.075 * 8


@pytest.mark.parametrize("layers, expected", [(6, 1), (32, 5), (80, 10), (126, 20)])
def test_layers_are_labelled_at_round_steps(layers, expected):
    assert style.spread_ticks(layers)[1] == expected and len(style.spread_ticks(layers)) <= 12


@pytest.mark.parametrize("value, expected", [(0.61, 0.8), (44.0, 50.0), (60.0, 60.0), (1.0, 1.0)])
def test_colour_bars_end_at_round_numbers(value, expected):
    assert style.round_up(value) == pytest.approx(expected)


def test_no_change_is_white_and_both_directions_differ_for_every_eye():
    low, middle, high = (np.array(style.EFFECT_MAP(x)[:3]) for x in (0.2, 0.5, 0.8))
    assert middle.min() > 0.95
    assert low[0] > high[0] + 0.4 and high[2] > low[2] + 0.4  # red against blue: also apart without red-green vision


@pytest.mark.parametrize("parameters, expected", [(210_000, "0.21M"), (800_000, "0.80M"), (295_488, "0.30M"),
                                                  (2_951_424, "3.0M"), (3_100_000, "3.1M"), (40_000, "40k"),
                                                  (6.74e9, "6.7B"), (13e9, "13B"), (69e9, "69B"), (176e9, "0.18T"), (12, "12")])
def test_sizes_are_written_as_people_say_them(parameters, expected):
    assert style.size_label(parameters) == expected


def test_heatmaps_are_centred_on_no_effect_and_share_their_limits(summary_of):
    summary = summary_of()
    limit = draw_runs.effect_limit(summary)
    for run in summary.runs:
        mesh = draw_runs.effect_heatmap(run, limit).axes[0].collections[0]
        assert mesh.get_clim() == (-limit, limit)
        assert np.nanmax(np.abs(100 * run.cells["effect"].values)) <= limit


def one_layer(path):
    """The summary of a file of whose runs only the first layer is left."""
    with h5py.File(path, "r+") as file:
        for place in file["models/small/runs"].values():
            for field, axis in (("layer", 0), ("letter_logprob", 1), ("top_logprob", 1), ("top_token", 1)):
                kept = place[field][()].take([0], axis=axis)
                del place[field]
                place[field] = kept
    with open_results(path) as results:
        return summarise(results)


def test_a_grid_of_one_layer_or_one_coefficient_has_cells_with_an_area(summary_of, file_of):
    for summary in (one_layer(file_of()), summary_of(Sweep(coefficients=(1.0,)))):
        mesh = draw_runs.effect_heatmap(summary.runs[0], 50.0).axes[0].collections[0]
        across, up = np.diff(mesh.get_coordinates()[0, :, 0]), np.diff(mesh.get_coordinates()[:, 0, 1])
        assert (across == 1).all() and (up == 1).all()


def test_a_sweep_of_one_layer_has_that_layer_as_its_tick_and_keeps_its_intervals(file_of):
    axes = draw_runs.layer_sweep(one_layer(file_of()).models[0]).axes[0]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low < tick < high] == [0]
    assert sum(len(drawn.get_segments()) for drawn in axes.collections if isinstance(drawn, LineCollection)) == 4


def test_a_single_coefficient_keeps_its_interval(summary_of):
    axes = draw_runs.by_coefficient(summary_of(Sweep(coefficients=(1.0,))).runs[0]).axes[0]
    assert [len(drawn.get_segments()) for drawn in axes.collections if isinstance(drawn, LineCollection)] == [1]


def edited(path, change):
    """The summary of a file after `change` was made to it."""
    with h5py.File(path, "r+") as file:
        change(file)
    with open_results(path) as results:
        return summarise(results)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drain(file):
    """Takes the letter mass away at layer 2 (the best one) and coefficient 1, and leaves the score as it is."""
    place = file["models/small/runs/refusal/letter_logprob"]
    place[:, 2, 3] = place[:, 2, 3] - 5


def test_cells_on_little_letter_mass_are_hatched_and_have_no_dot(file_of):
    sweep = Sweep(models={"small": 10}, questions=40)
    for change, hatched, dots in ((lambda file: None, 0, 1), (drain, 1, 0)):
        run = edited(file_of(sweep), change).runs[0]
        figure = draw_runs.effect_heatmap(run, 80.0)
        axes = figure.axes[0]
        assert [patch.get_xy() for patch in axes.patches] == [(2.5, 1.5)] * hatched
        assert ("letter mass under 50 %" in legend(figure)) == bool(hatched)
        assert [3.0, 2.0] in axes.collections[1].get_offsets().tolist() or not dots
        assert (plots.heatmap(run, 80.0)["sure"][2][3] == "×") == bool(hatched)


def test_marks_on_little_letter_mass_are_hollow_in_curves(file_of):
    summary = edited(file_of(Sweep(models={"small": 10, "large": 4}, questions=40)), drain)
    for figure in (draw_models.effect_by_dose(summary, "refusal"), draw_runs.layer_sweep(summary.models[0])):
        hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
        assert [len(line.get_xdata()) for line in hollow] == [1] and "hollow: letter mass under 50 %" in legend(figure)
    assert [symbol.endswith("-open") for symbol in plots.dose(summary, "refusal")["lines"][0]["symbol"]] == [False] * 3 + [True, False]


def test_legends_name_the_unit_and_only_signs_that_were_run(summary_of):
    for sweep, expected in ((Sweep(), ["coefficient +1 × v′", "coefficient −1 × v′"]),
                            (Sweep(coefficient_unit="residual_norm"), ["coefficient +1 × ‖h‖", "coefficient −1 × ‖h‖"]),
                            (Sweep(coefficients=(0.0, 1.0)), ["coefficient +1 × v′"])):
        model = summary_of(sweep).models[0]
        assert [text for text in legend(draw_runs.layer_sweep(model)) if "coefficient" in text] == expected
        caption = draw_runs.sweep_caption(model.reported)
        assert expected[0].split(" ", 1)[1] in caption and ("orange)" in caption) == (len(expected) == 2)


def test_runs_of_different_units_each_say_theirs_and_share_no_length_curve(file_of):
    def units(file):
        file["models/small/runs/hedging"].attrs["coefficient_unit"] = "residual_norm"
    summary = edited(file_of(Sweep(models={"small": 4, "middle": 5, "large": 6})), units)
    model = summary.models[0]
    assert {"coefficient +c", "coefficient −c", "refusal (±1 × v′)", "hedging (±1 × ‖h‖)"} <= set(legend(draw_runs.layer_sweep(model)))
    labels = [text.get_text() for text in draw_runs.balance(model).axes[0].get_yticklabels()]
    assert "c = 1 × ‖h‖" in labels[0] and "c = 1 × v′" in labels[1]
    assert "100 % of the residual" in draw_vectors.norms_caption(model.runs)
    assert "100 % of the residual" not in draw_vectors.norms_caption(model.runs[:1])
    assert [name for _, name, _, _ in draw_models.dose_lines(summary, "hedging")] == ["middle", "large"]


def test_many_behaviors_all_look_different():
    looks = [tuple(str(value) for value in style.series(i).values()) for i in range(40)]
    assert len(set(looks)) == 40 and len({style.series(i)["marker"] for i in range(12)}) == 12


def overlap(figure, *texts) -> bool:
    """Whether any of the texts touch one another or leave the figure."""
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts]
    inside = all(box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1 for box in boxes)
    return not inside or any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_labels_of_eight_behaviors_do_not_touch(summary_of):
    names = tuple(f"a-behavior-of-a-long-name-{i}" for i in range(8))
    model = summary_of(Sweep(models={"a-model-with-a-rather-long-name": 4}, behaviors=names)).models[0]
    figure = draw_runs.balance(model)
    left, right = figure.axes
    assert not overlap(figure, *left.get_yticklabels(), left.xaxis.label, right.xaxis.label)
    figure = draw_vectors.behavior_cosines(model)
    figure.draw_without_rendering()
    bar = figure.axes[1].get_tightbbox()
    assert not bar.overlaps(figure._suptitle.get_window_extent()) and bar.x1 <= figure.bbox.x1 + 1


def test_every_axis_names_what_it_shows(summary_of):
    for entry in figures.all_figures(summary_of(Sweep(models={"small": 4, "large": 6}, questions=8))):
        figure = entry.draw()
        shown = [axes for axes in figure.axes if axes.get_visible()]
        shared = [axes for axes in shown if axes.get_shared_y_axes().get_siblings(axes) != [axes]]
        assert all(axes.get_ylabel() for axes in shown if axes not in shared), entry.stem
        assert not shared or figure.get_supylabel() or any(axes.get_ylabel() for axes in shared), entry.stem
        assert any(axes.get_xlabel() for axes in shown), entry.stem


def test_a_behavior_keeps_its_marker_when_another_one_is_missing(summary_of):
    sweep = Sweep()
    sweep.state = {unit: BLOCKED for unit in sweep.unit_numbers(EVALUATE, 0, 0)}
    whole, partial = draw_runs.layer_sweep(summary_of().models[0]), draw_runs.layer_sweep(summary_of(sweep).models[0])
    marker = {figure: {line.get_label(): line.get_marker() for line in figure.axes[0].lines} for figure in (whole, partial)}
    assert marker[whole]["hedging"] == marker[partial]["hedging"] != marker[whole]["refusal"]


def test_text_of_a_file_is_one_short_printable_line_in_a_figure():
    assert style.plain("a\x00b\n" + "x" * 100) == "a b " + "x" * 43 + "…"
