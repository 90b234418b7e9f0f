"""The programs that are compared, and the figures of a run of each."""

import csv
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from . import process
from .setting import PEERS, ROOT

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
# What a Python user can have of glibc's allocator: memory that was given back is kept, and lies in huge pages.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "2147483647",
    "MALLOC_TOP_PAD_": "67108864",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
TUTORIAL = ROOT / "pipelines" / "cifar10.yaml"


def speed(rows):
    """Images a second: the median of the epochs after the first, which also pays for what is done once."""
    speeds = [float(row["images_per_second"]) for row in rows]
    return statistics.median(speeds[1:] or speeds)


def last(rows, name):
    """The last row's value, where it has one."""
    value = rows[-1].get(name)
    return {name: float(value)} if value not in (None, "") else {}


def trainyard(setting, pipeline, sets=(), quiet=True, terminal=False, environment=None, keep=None):
    """A run; it may miss what the pipeline expects, for a few epochs needn't meet that. `keep` gets its directory."""
    runs = Path(tempfile.mkdtemp(prefix="runs.", dir=setting.work))
    sets = [word for value in [f"threads={setting.threads}", *sets] for word in ("--set", value)]
    command = [setting.trainyard, "run", pipeline, "--data-dir", setting.data, "--runs-dir", runs, *sets]
    done = process.run(command + ["--quiet"] * quiet, environment, codes=(0, 3), terminal=terminal)
    (directory,) = [path.parent for path in runs.glob("*/*/run.json")]
    record = json.loads((directory / "run.json").read_text())
    evaluation = json.loads((directory / "evaluation.json").read_text())
    with (directory / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    timings = record["timings"]
    in_steps = sum(float(row["seconds"]) for row in history)
    evaluated = [at for line, at in zip(done.lines, done.at) if line.startswith("test_")]
    figures = {
        "images_per_second": speed(history),
        "epochs": len(history),
        "data_wait": sum(float(row["data_wait_seconds"]) for row in history) / in_steps,
        # What is before the record's clock, and after it ends, is counted in.
        "first_step": done.wall - timings["total"] + timings["setup"],
        "setup": timings["setup"],
        "reporting": timings["reporting"] / timings["training"],
        "training": timings["training"],
        "capability": record["provenance"]["cpu_capability"],
        "program_commit": record["provenance"].get("program_commit"),
        "parameters": sum(layer["parameters"] for layer in record["layers"]),
        **{name: value for name, value in evaluation["metrics"].items()},
        **last(history, "val_accuracy"),
        **({"shown": done.shown} if terminal else {}),
        **({"evaluated": evaluated[0]} if evaluated else {}),
        **done.cost(),
    }
    for step in evaluation["steps"]:
        for batch in step.get("latency", {}).get("batches", []):
            figures[f"latency_{batch['batch_size']}"] = batch["median"]
    if keep:
        shutil.rmtree(keep, ignore_errors=True)
        shutil.move(directory, keep)
    shutil.rmtree(runs)
    return figures


def peer(setting, script, *arguments, environment=None):
    """The rows of JSON that a peer's script prints, and the rest."""
    command = [setting.python, PEERS / script, *arguments, "--threads", setting.threads]
    done = process.run(command, environment)
    return [json.loads(line) for line in done.lines if line.startswith("{")], done


def trained_peer(setting, script, *arguments, environment=None):
    """The figures of a peer that trains."""
    rows, done = peer(setting, script, setting.peers_data, *arguments, environment=environment)
    first, *rows = rows
    epochs = [row for row in rows if "epoch" in row]
    figures = {
        "images_per_second": speed(epochs),
        "epochs": len(epochs),
        "first_step": first["first_step"] - done.started,
        "parameters": first["parameters"],
        **last(epochs, "val_accuracy"),
        **done.cost(),
    }
    if "test_accuracy" in rows[-1]:
        figures |= {"test_accuracy": rows[-1]["test_accuracy"], "evaluated": done.at[-1]}
    return figures


def pytorch(setting, variant, *arguments, environment=None):
    return trained_peer(setting, "pytorch_training.py", "--variant", variant, *arguments, environment=environment)


def keras(setting, *arguments):
    return trained_peer(setting, "keras_tutorial.py", *arguments)


def peak(setting):
    """GFLOP/s by precision and operation."""
    rows, done = peer(setting, "peak.py", "--seconds", "0.3" if setting.quick else "1")
    return {f"{row['precision']}_{row['operation']}": row["gflops"] for row in rows} | done.cost()
