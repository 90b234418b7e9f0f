"""Turn what `benches/run` collected into a Markdown table.

    python benches/table.py RESULTS_DIR

RESULTS_DIR holds `facts` (lines of `name: value`) and, for each program and round, `PROGRAM.ROUND.jsonl` or
`PROGRAM.ROUND.csv` with a row per epoch. A round counts as one figure, the median of its epochs; its first epoch is
left out where there are others, for it also pays for tracing, caches and cold memory.
"""

import csv
import json
import statistics
import sys
from pathlib import Path

NAMES = {
    "pytorch": "PyTorch, plain",
    "keras": "Keras 3 on TensorFlow",
    "trainyard": "Trainyard",
}


def rows(path):
    with path.open() as file:
        if path.suffix == ".csv":
            return list(csv.DictReader(file))
        return [json.loads(line) for line in file if line.startswith("{")]


def speed(epochs):
    """A round's figure."""
    speeds = [float(epoch["images_per_second"]) for epoch in epochs]
    return statistics.median(speeds[1:] or speeds)


def of_round(path):
    epochs = [row for row in rows(path) if "images_per_second" in row]
    return speed(epochs), float(epochs[-1]["val_accuracy"])


def main():
    directory = Path(sys.argv[1])
    print((directory / "facts").read_text().rstrip(), end="\n\n")
    print("| program | rounds | images/s, median | min | max | ratio to plain PyTorch | validation accuracy, median |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    measured = {}
    for program in NAMES:
        figures = [of_round(path) for path in sorted(directory.glob(f"{program}.*"))]
        if figures:
            measured[program] = figures
    plain = statistics.median(speed for speed, _ in measured["pytorch"]) if "pytorch" in measured else None
    for program, figures in measured.items():
        speeds = [speed for speed, _ in figures]
        median = statistics.median(speeds)
        ratio = f"{median / plain:.2f}" if plain else ""
        accuracy = statistics.median(value for _, value in figures)
        print(
            f"| {NAMES[program]} | {len(speeds)} | {median:,.0f} | {min(speeds):,.0f} | {max(speeds):,.0f} "
            f"| {ratio} | {accuracy:.3f} |"
        )


if __name__ == "__main__":
    main()
