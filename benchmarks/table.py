#!/usr/bin/env python3
"""Prints the Markdown table of one benchmark folder (benchmarks/run.sh made it). usage: table.py FOLDER"""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
runs = {path.stem.removeprefix("forks-"): json.loads(path.read_text()) for path in sorted(folder.glob("forks-*.json"))}
rivals = {path.stem.removeprefix("hf-"): json.loads(path.read_text()) for path in sorted(folder.glob("hf-*.json"))}
first = next(iter(runs.values()))
print(f"{first['date']}, {first['architecture']}, {first['threads']} threads, {first['gemm']}, commit {folder.name[11:]}\n")
print("Random Llama: 16 layers, hidden 1024, feed-forward 2816, vocabulary 32,000; prompts of 90 to 110 tokens, two steered")
print(f"positions, all layers, 8 coefficients, {first['questions']} questions. Wall time; warm weights; one run.\n")

ROWS = [
    ("whole grid with forks, s", "grid_seconds", "{:.2f}"),
    ("naive loop, batch 1, s a forward (timed: {naive_forwards_timed})", "naive_seconds_per_forward", "{:.4f}"),
    ("naive loop, s (sample x {naive_forwards_in_grid} forwards)", "naive_seconds_sample_times_count", "{:.0f}"),
    ("ratio naive / forks", "ratio_measured", "{:.1f}"),
    ("ratio the FLOP formula predicts", "ratio_by_flops", "{:.1f}"),
    ("share of the predicted ratio", "ratio_share", "{:.2f}"),
    ("pass, GFLOP/s (necessary FLOPs over wall time)", "pass_gflops", "{:.0f}"),
    ("oneDNN's own GEMMs of the same shapes, GFLOP/s", "onednn_gflops", "{:.0f}"),
    ("share of oneDNN's rate", "pass_share_of_onednn", "{:.2f}"),
    ("peak resident memory, MB", "peak_rss_mb", "{:.0f}"),
]
print("| | " + " | ".join(runs) + " |")
print("|---|" + "---|" * len(runs))
for label, key, form in ROWS:
    print(f"| {label.format(**first)} | " + " | ".join(form.format(run[key]) for run in runs.values()) + " |")
if rivals:
    rival = next(iter(rivals.values()))
    of = {dtype: found["rivals"] for dtype, found in rivals.items()}
    for name in rival["rivals"]:
        timed, label = rival["rivals"][name]["cells_timed"], f"transformers {rival['transformers']} on torch {rival['torch']}, {name}"
        for row, figure in [
            (f"{label}, s a cell", lambda d: f"{of[d][name]['seconds_per_cell']:.4f}"),
            (f"the same, s (sample of {timed} x {rival['cells_in_grid']} cells)",
             lambda d: f"{of[d][name]['grid_seconds_sample_times_count']:.0f}"),
            ("ratio of that to forks",
             lambda d: f"{of[d][name]['grid_seconds_sample_times_count'] / runs[d]['grid_seconds']:.0f}"),
        ]:
            print(f"| {row} | " + " | ".join(figure(d) if d in rivals else "-" for d in runs) + " |")
