"""The driver of `benches/device`, which says what it is about."""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Trainyard's precision, PyTorch's, and the variants of PyTorch that are measured with it.
PRECISIONS = [
    ("float32", "float32", ["plain", "channels-last"]),
    ("tensor_float32", "tf32", ["channels-last", "compiled"]),
    ("mixed_bfloat16", "bfloat16", ["channels-last", "compiled"]),
]
IMAGES = 50000
SYNTHETIC = f"dataset.source={{synthetic: {{train: {IMAGES}, test: 256}}}}"


def tell(**result):
    print(json.dumps(result), flush=True)


def say(text):
    print(f"[{time.perf_counter() - START:6.1f} s] {text}", file=sys.stderr, flush=True)


def call(command, timeout, **options):
    """Exit code, stdout, and the end of stderr."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    except subprocess.TimeoutExpired:
        return 124, "", f"took more than {timeout} s"
    return done.returncode, done.stdout, done.stderr[-4000:]


def tests(arguments):
    environment = {
        **os.environ,
        "TRAINYARD_TEST_DEVICE": arguments.device,
        "TRAINYARD": str(Path(arguments.program).resolve()),
    }
    for test in arguments.tests:
        # The library's executable has many others, which need no device.
        for words in (["device_tests"], []):
            listed = call([test, "--list", *words], 60, env=environment)[1]
            if ": test" in listed:
                break
        say(Path(test).name)
        # What a test says goes on to stderr as it comes, so that one that never ends can be seen.
        command = [test, "--test-threads=1", "--nocapture", *words]
        lines = []
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            killer = threading.Timer(arguments.test_seconds, running.kill)
            killer.start()
            for line in running.stdout:
                lines.append(line)
                print(line[:2000], end="", file=sys.stderr, flush=True)
            killer.cancel()
        say(f"{Path(test).name}: exit code {running.returncode}")
        tell(section="tests", test=Path(test).name, code=running.returncode, said="".join(lines)[-8000:])


def newest(runs):
    return max(runs.glob("*/*/run.json"), key=lambda path: path.stat().st_mtime).parent


def trainyard(arguments, sets, timeout=300):
    """A run of the tutorial's pipeline: the rows of its history, its record, its figures."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [arguments.program, "run", "--quiet", "--runs-dir", scratch, str(arguments.pipeline)]
        if arguments.data:
            command += ["--data-dir", arguments.data]
        for value in sets:
            command += ["--set", value]
        code, stdout, stderr = call(command, timeout)
        if code not in (0, 3):
            say(f"failed: {' '.join(command)}\n{stdout}{stderr}")
            return None
        run = newest(Path(scratch))
        with open(run / "history.csv") as file:
            rows = list(csv.DictReader(file))
        evaluation = json.loads((run / "evaluation.json").read_text())
        return rows, json.loads((run / "run.json").read_text()), evaluation["metrics"]


def speed_of_trainyard(arguments, precision, deterministic):
    sets = [f"device={arguments.device}", f"precision={precision}", f"deterministic={str(deterministic).lower()}"]
    sets += [f"training.epochs={arguments.epochs}", "training.callbacks=[]", "expect={}", "evaluation=[metrics]"]
    if not arguments.data:
        sets += [SYNTHETIC, "dataset.validation=none", "allow=[validation-on-test, no-effect]"]
        sets += ["model.layers[10].dense.units=8"]
    result = trainyard(arguments, sets)
    if not result:
        return None
    rows, info, _ = result
    rates = [float(row["images_per_second"]) for row in rows[1:]]
    return {"images_per_second": statistics.median(rates), "device": info["provenance"]["device"], **info.get("device_use", {})}


def speed_of_pytorch(arguments, variant, precision):
    command = [sys.executable, str(HERE / "peers/pytorch_training.py"), arguments.data or "none"]
    command += ["--variant", variant, "--precision", precision, "--device", arguments.device.split(":")[0]]
    command += ["--epochs", str(arguments.epochs)]
    if arguments.data:
        command[2] = str(Path(arguments.data) / "cifar10")
    else:
        command += ["--made-up", str(IMAGES), "--no-validation"]
    code, stdout, stderr = call(command, 300)
    rows = [row for row in map(json.loads, stdout.splitlines()) if "images_per_second" in row]
    if code or len(rows) < 2:
        say(f"failed: {' '.join(command)}\n{stderr}")
        return None
    return {"images_per_second": statistics.median(row["images_per_second"] for row in rows[1:])}


def speed(arguments):
    for round in range(1, arguments.rounds + 1):
        for ours, theirs, variants in PRECISIONS:
            for deterministic in (True, False):
                result = speed_of_trainyard(arguments, ours, deterministic)
                if result:
                    name = f"trainyard{'' if deterministic else ', deterministic: false'}"
                    say(f"{name}, {ours}: {result['images_per_second']:,.0f} images a second")
                    tell(section="speed", round=round, program=name, precision=ours, **result)
            for variant in variants:
                result = speed_of_pytorch(arguments, variant, theirs)
                if result:
                    say(f"PyTorch {variant}, {theirs}: {result['images_per_second']:,.0f} images a second")
                    tell(section="speed", round=round, program=f"PyTorch {variant}", precision=ours, **result)


def figures(arguments):
    pipelines = [HERE.parent / "pipelines/digits.yaml"]
    if arguments.data:
        pipelines.append(arguments.pipeline)
    for pipeline in pipelines:
        for device in (arguments.device, "cpu"):
            for precision in ("float32", "mixed_bfloat16") if device != "cpu" else ("float32",):
                one = argparse.Namespace(**{**vars(arguments), "pipeline": pipeline})
                sets = [f"device={device}", f"precision={precision}", "evaluation=[metrics]"]
                if pipeline == arguments.pipeline:
                    sets.append("training.epochs=12")
                start = time.perf_counter()
                result = trainyard(one, sets)
                if result:
                    metrics = {name: result[2][name] for name in ("test_accuracy", "test_loss")}
                    say(f"{pipeline.name} on {device}, {precision}: {metrics}")
                    seconds = time.perf_counter() - start
                    tell(section="figures", pipeline=pipeline.name, device=device, precision=precision, seconds=seconds, **metrics)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--test-seconds", type=int, default=300)
    parser.add_argument("--only", nargs="+", default=["tests", "speed", "figures"])
    arguments = parser.parse_intermixed_args()
    arguments.pipeline = HERE.parent / "pipelines/cifar10.yaml"
    for section in (tests, speed, figures):
        if section.__name__ in arguments.only:
            section(arguments)


START = time.perf_counter()
main()
