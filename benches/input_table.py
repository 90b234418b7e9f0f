"""Turn what `benches/input` collected into Markdown tables: the best of each program, and all that was tried.

    python benches/input_table.py RESULTS_DIR

RESULTS_DIR holds `facts` (lines of `name: value`) and, for each workload, program and round,
`WORKLOAD.PROGRAM.ROUND.jsonl` with a row per epoch. A round counts as one figure, the median of its epochs without the
first. The ratio is Trainyard's to the better of DataLoader and tf.data at their best. A bare loop that indexes an array
in memory reads nothing ahead and decodes nothing; it tells what copying alone takes.
"""

import statistics
import sys
from pathlib import Path

from table import rows, speed

WORKLOADS = ["memory", "jpeg", "disk"]
NAMES = {"trainyard": "Trainyard", "pytorch": "PyTorch", "tensorflow": "tf.data"}


def described(program):
    """`pytorch-batched-2` as a reader wants it."""
    name, *how = program.split("-")
    if how and how[-1].isdigit():
        workers = how.pop()
        how.append(f"{workers} worker" + "s" * (workers != "1"))
    return ", ".join([NAMES[name], *how])


LOOP = "pytorch-loop"


def best(medians, name):
    """The fastest way of one program, if it ran: `(images per second, program)`."""
    of_name = (program for program in medians if program.split("-")[0] == name and program != LOOP)
    return max(((medians[program], program) for program in of_name), default=None)


def cell(found):
    if found is None:
        return ""
    value, program = found
    _, *how = described(program).split(", ")
    return f"{value:,.0f}" + (f" ({', '.join(how)})" if how else "")


def main():
    directory = Path(sys.argv[1])
    measured = {workload: {} for workload in WORKLOADS}
    for path in sorted(directory.glob("*.jsonl")):
        workload, program, _ = path.name.split(".", 2)
        measured[workload].setdefault(program, []).append(speed(rows(path)))

    print((directory / "facts").read_text().rstrip(), end="\n\n")
    print("| workload | Trainyard, images/s | DataLoader at its best | tf.data at its best | ratio | a bare loop |")
    print("|---|---:|---:|---:|---:|---:|")
    for workload, programs in measured.items():
        if not programs:
            continue
        medians = {program: statistics.median(speeds) for program, speeds in programs.items()}
        ours, *peers = [best(medians, name) for name in NAMES]
        peers_best = max((value for value, _ in filter(None, peers)), default=None)
        ratio = f"{ours[0] / peers_best:.2f}" if ours and peers_best else ""
        loop = f"{medians[LOOP]:,.0f}" if LOOP in medians else ""
        print(f"| {workload} | {' | '.join(map(cell, [ours, *peers]))} | {ratio} | {loop} |")

    print("\n| workload | program | rounds | images/s, median | min | max |")
    print("|---|---|---:|---:|---:|---:|")
    for workload, programs in measured.items():
        for program, speeds in programs.items():
            print(
                f"| {workload} | {described(program)} | {len(speeds)} | {statistics.median(speeds):,.0f} "
                f"| {min(speeds):,.0f} | {max(speeds):,.0f} |"
            )


if __name__ == "__main__":
    main()
