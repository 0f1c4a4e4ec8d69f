"""A folder that held another report: what that one made goes, everything else stays."""

import os

import pytest

from made_up import Sweep
from steergrid_analysis import cli
from steergrid_analysis.leftovers import MANIFEST, remember, remembered, remove

ONE, TWO = Sweep(models={"small": 3}), Sweep(models={"large": 3}, behaviors=("refusal",))


@pytest.fixture
def report_of(file_of, tmp_path):
    """Runs `report` into the same folder, again and again; returns it."""
    def report(sweep):
        assert cli.main(["report", str(file_of(sweep)), "-o", str(tmp_path / "out"), "--resamples", "50"]) == 0
        return tmp_path / "out"
    return report


def names(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_a_report_leaves_no_figure_of_the_earlier_one_beside_its_page(report_of, capsys):
    first = names(report_of(ONE))
    assert "figures/heatmap--small--hedging.png" in first and "removed" not in capsys.readouterr().out
    second = names(report_of(TWO))
    assert not any("small" in name or "hedging" in name for name in second) and "figures/sweep--large.pdf" in second
    assert f"removed {len(first - second)} files of an earlier report" in capsys.readouterr().out
    assert names(report_of(ONE)) == first


def test_what_a_report_did_not_make_stays(report_of):
    out = report_of(ONE)
    own = ("notes.txt", "figures/mine.png", "tables/mine.csv", "figures/more/sweep--small.png")
    for name in own:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    assert names(report_of(TWO)) >= set(own)
    (out / "figures/sweep--small.png").write_text("mine, too: no report's list names it now")
    assert "figures/sweep--small.png" in names(report_of(TWO))


def test_figures_of_a_report_that_was_killed_go_with_the_next_one(report_of, monkeypatch, file_of, tmp_path):
    def killed(*_):
        (tmp_path / "out/figures/sweep--small.png").write_text("half")
        raise KeyboardInterrupt
    from steergrid_analysis import figures
    (tmp_path / "out/figures").mkdir(parents=True)
    (tmp_path / "out/figures/norms--small.png").write_text("mine, before any report")
    monkeypatch.setattr(figures, "save_all", killed)
    with pytest.raises(KeyboardInterrupt):
        report_of(ONE)
    monkeypatch.undo()
    assert "figures/sweep--small.png" not in names(report_of(TWO))
    assert (tmp_path / "out/figures/norms--small.png").read_text() == "mine, before any report"


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.png", "figures/../../outside.png", "figures/../notes.png",
                                  "figures/more/x.png", "notes.png", "report.html", "figures", "figures/", "figures/x.sh",
                                  "figures\\x.png", "figures/x.png\r", " figures/x.png", "figures//x.png", "./figures/x.png",
                                  "figures/\u00e9.png", MANIFEST])
def test_a_list_names_nothing_but_what_a_report_could_have_written(tmp_path, name):
    (tmp_path / MANIFEST).write_text(f"figures/good.png\n{name}\ntables/best.csv\n", encoding="utf-8", newline="\n")
    assert remembered(tmp_path) == {"figures/good.png", "tables/best.csv"}


def test_a_list_that_is_no_plain_text_file_is_none(tmp_path):
    assert remembered(tmp_path) == set() == remembered(tmp_path / "nowhere")
    (tmp_path / MANIFEST).write_bytes(bytes(range(256)) * 100)
    assert remembered(tmp_path) == set()
    (tmp_path / MANIFEST).unlink()
    os.mkfifo(tmp_path / MANIFEST)
    assert remembered(tmp_path) == set()
    (tmp_path / MANIFEST).unlink()
    (tmp_path / "elsewhere").write_text("figures/good.png\n")
    (tmp_path / MANIFEST).symlink_to(tmp_path / "elsewhere")
    assert remembered(tmp_path) == set()


def test_writing_the_list_follows_no_link(tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    for name in (MANIFEST, f"{MANIFEST}.new"):
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    remember(tmp_path, {"figures/b.png", "figures/a.png"})
    assert (tmp_path / "elsewhere").read_text() == "mine" and not (tmp_path / MANIFEST).is_symlink()
    assert remembered(tmp_path) == {"figures/a.png", "figures/b.png"} and not (tmp_path / f"{MANIFEST}.new").exists()


def test_only_plain_files_are_removed_and_no_link_is_followed(tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    for folder in (out / "figures", other):
        folder.mkdir(parents=True)
        for name in ("plain.png", "kept.csv"):
            (folder / name).write_text("x")
    (out / "tables").symlink_to(other)
    (out / "figures/link.png").symlink_to(other / "plain.png")
    (out / "figures/folder.png").mkdir()
    os.mkfifo(out / "figures/pipe.png")
    listed = {"figures/plain.png", "figures/link.png", "figures/folder.png", "figures/pipe.png", "figures/gone.png",
              "tables/kept.csv"}
    assert remove(out, listed) == 1
    assert not (out / "figures/plain.png").exists() and (out / "figures/link.png").is_symlink()
    assert (out / "figures/folder.png").is_dir() and (out / "figures/pipe.png").is_fifo()
    assert names(other) == {"plain.png", "kept.csv"}
    assert remove(tmp_path / "nowhere", listed) == 0
