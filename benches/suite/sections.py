"""What is measured. A section is a list of cases, which take turns."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import process, programs
from .programs import ALLOCATOR, AVX2, TUTORIAL, keras, pytorch, trainyard
from .setting import PEERS, PIPELINES, ROOT

SEEDS = 5
"""At least so many seeds where accuracy is told."""
UNTIL = 0.71
SHOWN = {"quiet": False, "terminal": True}
"""How somebody sees a run at work: progress costs what it costs."""


@dataclass
class Case:
    name: str
    label: str
    run: Callable[[int], dict]
    """Measures, given the round from 1; gives figures."""


def stages(batch, take):
    """`--set` for the tutorial's training stages with `take` batches an epoch; nothing where it takes all."""
    return [f"dataset.train=[cache, {{shuffle: 1000}}, {{batch: {batch}}}, {{take: {take}}}, prefetch]"] if take else []


def of_tutorial(setting, epochs):
    """What a run of the tutorial is called with: `--set` for Trainyard, arguments for peers."""
    take = 10 if setting.quick else None
    peers = ["--epochs", epochs, *(["--take", 256 * take] if take else [])]
    return [f"training.epochs={epochs}", *stages(256, take)], peers


def throughput(setting, epochs):
    sets, arguments = of_tutorial(setting, epochs)

    def ours(environment=None, **how):
        return lambda _: trainyard(setting, TUTORIAL, sets, environment=environment, **how)

    def theirs(variant, environment=None):
        return lambda _: pytorch(setting, variant, *arguments, environment=environment)

    return [
        Case("trainyard", "Trainyard", ours(**SHOWN)),
        Case("trainyard-quiet", "Trainyard, `--quiet`", ours()),
        Case("pytorch-plain", "PyTorch, plain", theirs("plain")),
        Case("pytorch-channels-last", "PyTorch, channels-last", theirs("channels-last")),
        Case("pytorch-expert", "PyTorch, expert", theirs("expert")),
        Case("pytorch-expert-allocator", "PyTorch, expert, allocator's variables", theirs("expert", ALLOCATOR)),
        Case("pytorch-compiled", "PyTorch, channels-last, compiled", theirs("compiled")),
        Case(
            "pytorch-expert-compiled-allocator",
            "PyTorch, expert, compiled, allocator's variables",
            theirs("expert-compiled", ALLOCATOR),
        ),
        Case("keras", "Keras 3 on TensorFlow", lambda _: keras(setting, *arguments)),
        Case("trainyard-avx2", "Trainyard, AVX2 only", ours(AVX2, **SHOWN)),
        Case("pytorch-plain-avx2", "PyTorch, plain, AVX2 only", theirs("plain", AVX2)),
        Case(
            "pytorch-expert-allocator-avx2",
            "PyTorch, expert, allocator's variables, AVX2 only",
            theirs("expert", AVX2 | ALLOCATOR),
        ),
        Case("peak", "libtorch, torch.mm", lambda _: programs.peak(setting)),
    ]


def knows(setting, pipeline, *sets):
    """Whether this build of Trainyard takes such values."""
    sets = [word for value in sets for word in ("--set", value)]
    command = [setting.trainyard, "check", "--quiet", pipeline, *sets]
    return subprocess.run(command, capture_output=True).returncode == 0


RESNET = PIPELINES / "resnet20.yaml"


def of_network(setting, epochs, network="resnet20", take=50):
    take = 4 if setting.quick else take
    ours = [
        f"training.epochs={epochs}",
        f"dataset.train=[cache, shuffle, {{batch: 128}}, {{take: {take}}}, prefetch]",
    ]
    theirs = ["--network", network, "--batch", 128, "--take", 128 * take, "--epochs", epochs, "--no-validation"]
    return ours, theirs


def bfloat16(setting, epochs):
    sets, arguments = of_network(setting, epochs)
    half = "precision=mixed_bfloat16"
    ours = [Case("trainyard", "Trainyard, float32", lambda _: trainyard(setting, RESNET, sets))]
    if knows(setting, RESNET, half):
        mixed = Case("trainyard-bfloat16", "Trainyard, bfloat16", lambda _: trainyard(setting, RESNET, [*sets, half]))
        ours.append(mixed)
    else:
        setting.note(f"bfloat16: this build of Trainyard doesn't know `{half}`")
    return ours + [
        Case(
            f"pytorch-{precision}",
            f"PyTorch, channels-last, {precision}",
            lambda _, precision=precision: pytorch(setting, "channels-last", *arguments, "--precision", precision),
        )
        for precision in ("float32", "bfloat16")
    ]


def larger(setting, epochs, network="resnet20", take=50):
    sets, arguments = of_network(setting, epochs, network, take)

    def theirs(variant, environment=None):
        return lambda _: pytorch(setting, variant, *arguments, environment=environment)

    return [
        Case("trainyard", "Trainyard", lambda _: trainyard(setting, PIPELINES / f"{network}.yaml", sets)),
        Case("pytorch-plain", "PyTorch, plain", theirs("plain")),
        Case("pytorch-channels-last", "PyTorch, channels-last", theirs("channels-last")),
        Case(
            "pytorch-channels-last-allocator",
            "PyTorch, channels-last, allocator's variables",
            theirs("channels-last", ALLOCATOR),
        ),
    ]


def mobilenet(setting, epochs):
    return larger(setting, epochs, "mobilenet", 25)


def accuracy_time(setting, _epochs):
    short = setting.quick
    cases = []
    for percent in (71, 75, 80):
        pipeline = ROOT / "pipelines" / f"cifar10-{percent}.yaml"
        if not pipeline.exists():
            setting.note(f"accuracy-time: there is no {pipeline.relative_to(ROOT)}")
            continue
        sets = ["training.epochs=1"] if short else []
        cases.append(
            Case(
                f"trainyard-{percent}",
                f"Trainyard, {pipeline.name}",
                lambda seed, pipeline=pipeline, sets=sets: trainyard(setting, pipeline, [f"seed={seed}", *sets]),
            )
        )
    until = ["--until", UNTIL, *(["--epochs", 1, "--take", 2560] if short else ["--epochs", 50])]
    return cases + [
        Case("keras", "Keras, the tutorial, up to 71%", lambda seed: keras(setting, "--seed", seed, *until)),
        Case(
            "pytorch-expert-allocator",
            "PyTorch, expert, allocator's variables, up to 71%",
            lambda seed: pytorch(setting, "expert", "--seed", seed, *until, environment=ALLOCATOR),
        ),
    ]


def agreement(setting, _epochs):
    sets, arguments = of_tutorial(setting, 1) if setting.quick else ([], [])
    return [
        Case("trainyard", "Trainyard", lambda seed: trainyard(setting, TUTORIAL, [f"seed={seed}", *sets])),
        Case("keras", "Keras", lambda seed: keras(setting, "--seed", seed, "--early-stopping", *arguments)),
    ]


def precision(setting, _epochs):
    pipeline = ROOT / "pipelines" / "cifar10-80.yaml"
    short = ["training.steps_per_epoch=4"] if setting.quick else []

    def ours(name):
        return lambda seed: trainyard(setting, pipeline, [f"precision={name}", f"seed={seed}", *short])

    return [
        Case("trainyard", "Trainyard, float32", ours("float32")),
        Case("trainyard-bfloat16", "Trainyard, bfloat16", ours("mixed_bfloat16")),
    ]


def inference(setting, _epochs):
    # One epoch is enough: how fast a model answers has nothing to do with how well it was trained.
    sets, _ = of_tutorial(setting, 1)
    images = 500 if setting.quick else 10000
    print("training the model to be asked, and writing images", file=sys.stderr)
    whole, plain = setting.work / "tutorial", setting.work / "latency"
    trainyard(setting, TUTORIAL, sets, keep=whole)
    trainyard(setting, TUTORIAL, [*sets, "evaluation=[{latency: {batch_sizes: [1, 256]}}]"], keep=plain)
    folder = setting.work / "png"
    process.run([setting.python, PEERS / "pngs.py", setting.peers_data, folder, "--images", images])
    weights, one = whole / "model.safetensors", folder / "00000.png"

    def ours(command, *arguments, count=1):
        def measure(_):
            done = process.run([setting.trainyard, command, *arguments, "--quiet", "--data-dir", setting.data])
            assert command == "evaluate" or len(done.lines) == count + 1, f"{len(done.lines)} lines, not {count + 1}"
            return {"images_per_second": count / done.wall} | done.cost()

        return measure

    def theirs(task, *arguments, count=1):
        def measure(_):
            rows, done = programs.peer(setting, "pytorch_inference.py", task, weights, *arguments)
            assert task == "evaluate" or len(done.lines) == count, f"{len(done.lines)} lines, not {count}"
            passes = {"passes_images_per_second": rows[0]["images_per_second"]} if task == "evaluate" else {}
            return {"images_per_second": count / done.wall} | passes | done.cost()

        return measure

    def our_latency(_):
        done = process.run([setting.trainyard, "evaluate", plain, "--json", "--quiet", "--data-dir", setting.data])
        (step,) = json.loads("\n".join(done.lines))["steps"]
        return {f"latency_{batch['batch_size']}": batch["median"] for batch in step["latency"]["batches"]} | done.cost()

    def their_latency(_):
        rows, done = programs.peer(setting, "pytorch_inference.py", "latency", weights, setting.peers_data)
        return {f"latency_{row['batch_size']}": row["median"] for row in rows} | done.cost()

    return [
        Case("trainyard-evaluate", "`trainyard evaluate`", ours("evaluate", whole, count=10000)),
        Case(
            "pytorch-evaluate", "PyTorch script, accuracy and loss", theirs("evaluate", setting.peers_data, count=10000)
        ),
        Case("trainyard-predict", "`trainyard predict`", ours("predict", whole, folder, "--csv", count=images)),
        Case("pytorch-predict", "PyTorch script, predict", theirs("predict", folder, count=images)),
        Case("trainyard-one", "`trainyard predict`, one image", ours("predict", whole, one, "--csv")),
        Case("pytorch-one", "PyTorch script, one image", theirs("predict", one)),
        Case("trainyard-latency", "Trainyard, passes", our_latency),
        Case("pytorch-latency", "PyTorch, passes", their_latency),
    ]


def process_section(setting, _epochs):
    sets, _ = of_tutorial(setting, 2 if setting.quick else 5)
    _, arguments = of_tutorial(setting, 1)
    least = ["evaluation=[]", "training.checkpoint={epochs: 1000000}"]
    return [
        Case(
            "trainyard",
            "Trainyard, as it is, on a terminal",
            lambda _: trainyard(setting, TUTORIAL, sets, **SHOWN),
        ),
        Case(
            "trainyard-least",
            "Trainyard, quiet, no checkpoints, nothing in `evaluation`",
            lambda _: trainyard(setting, TUTORIAL, [*sets, *least]),
        ),
        Case("pytorch-plain", "PyTorch, plain", lambda _: pytorch(setting, "plain", *arguments)),
        Case("pytorch-expert", "PyTorch, expert", lambda _: pytorch(setting, "expert", *arguments)),
        Case("keras", "Keras", lambda _: keras(setting, *arguments)),
    ]


# How `scaling` departs from its middle, one quantity at a time.
MIDDLE = {"batch": 256, "width": 1, "image_size": 32}
DEPARTURES = {"batch": [16, 32, 64, 128, 256, 512, 1024], "width": [0.5, 1, 2, 4], "image_size": [16, 32, 64, 96]}


def scaling_points(setting):
    """What is measured: `(quantity, value, point)`; the middle belongs to every quantity."""
    threads = sorted({2**power for power in range(7) if 2**power < setting.threads} | {setting.threads})
    departures = {**DEPARTURES, "threads": threads}
    if setting.quick:
        departures = {name: values[:2] for name, values in departures.items()}
    middle = {**MIDDLE, "threads": setting.threads}
    return [(name, value, {**middle, name: value}) for name, values in departures.items() for value in values]


def scaling(setting, epochs):
    def images(point):
        cost = point["width"] * (point["image_size"] / 32) ** 2
        count = 512 if setting.quick else int(10240 / max(1, cost))
        return max(2, count // point["batch"]) * point["batch"]

    def ours(point):
        layers = [
            (1, "conv2d.filters", 32),
            (3, "conv2d.filters", 32),
            (5, "conv2d.filters", 64),
            (9, "dense.units", 128),
        ]
        sets = [
            f"training.epochs={epochs}",
            f"dataset.train[2].batch={point['batch']}",
            f"dataset.source.synthetic.image_size={point['image_size']}",
            f"dataset.source.synthetic.train={images(point)}",
            *(f"model.layers[{at}].{name}={round(units * point['width'])}" for at, name, units in layers),
        ]
        here = replace(setting, threads=point["threads"])
        return lambda _: trainyard(here, PIPELINES / "scaling.yaml", sets)

    def theirs(point, variant, environment=None):
        arguments = ["--made-up", images(point), "--epochs", epochs, "--no-validation"]
        for name in MIDDLE:
            arguments += [f"--{name.replace('_', '-')}", point[name]]
        here = replace(setting, threads=point["threads"])
        return lambda _: pytorch(here, variant, *arguments, environment=environment)

    cases, seen = [], set()
    for _, _, point in scaling_points(setting):
        name = point_name(point)
        if name in seen:
            continue
        seen.add(name)
        cases += [
            Case(f"trainyard:{name}", f"Trainyard, {name}", ours(point)),
            Case(f"pytorch-plain:{name}", f"PyTorch, plain, {name}", theirs(point, "plain")),
            Case(
                f"pytorch-expert-allocator:{name}",
                f"PyTorch, expert, allocator's variables, {name}",
                theirs(point, "expert", ALLOCATOR),
            ),
        ]
    return cases


def point_name(point):
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in point.items())


SECTIONS = {
    "throughput": throughput,
    "bfloat16": bfloat16,
    "accuracy-time": accuracy_time,
    "inference": inference,
    "process": process_section,
    "larger": larger,
    "mobilenet": mobilenet,
    "scaling": scaling,
    "agreement": agreement,
    "precision": precision,
}
