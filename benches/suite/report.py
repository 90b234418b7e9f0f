"""Tables, charts and what of the goals is met, from the lines of `benchmarks.jsonl`."""

import json
import re
import shutil
import statistics

from . import chart
from .sections import UNTIL, point_name
from .setting import ROOT
from .values import Values, difference

TUTORIAL_MFLOP = 25.6
"""A training step's convolutions and dense layers, per image of the tutorial: forward, and twice that backward but for
the gradient of the images, which nobody needs."""
RESNET_MFLOP = 244.0
MOBILENET_MFLOP = 92.8
OPERATIONS = {
    "mm_1024": "torch.mm of 1024",
    "mm_2048": "of 2048",
    "convolution": "convolution of 256 channels",
}
"""What benches/peers/peak.py measures."""
DISTURBED = 0.1
"""What share of the processors others may take before a run is told to be disturbed."""
BEGIN, END = "<!-- benchmarks: written by benches/run -->", "<!-- /benchmarks -->"
CHARTS = ["benchmarks-speed.svg", "benchmarks-time.svg", "benchmarks-scaling.svg"]


def read(path):
    with path.open() as file:
        return [json.loads(line) for line in file if line.strip()]


class Results:
    def __init__(self, rows):
        self.header = next(row for row in rows if "facts" in row)
        self.notes = [row["note"] for row in rows if "note" in row]
        self.runs = [row for row in rows if "figures" in row]
        self.again = sum("disturbed" in row for row in rows)
        self.failed = [row for row in rows if "failed" in row]
        self.seconds = {row["section"]: row["seconds"] for row in rows if "seconds" in row}

    def has(self, section):
        return any(run["section"] == section for run in self.runs)

    def cases(self, section):
        """Names and labels."""
        return {run["case"]: run["label"] for run in self.ordered(section)}

    def ordered(self, section):
        """The runs, each round in the order of the first one."""
        runs = [run for run in self.runs if run["section"] == section]
        first = {run["case"]: place for place, run in reversed(list(enumerate(runs)))}
        return sorted(runs, key=lambda run: (run["round"], first[run["case"]]))

    def get(self, section, case, figure):
        found = [run for run in self.runs if (run["section"], run["case"]) == (section, case)]
        return Values({run["round"]: run["figures"][figure] for run in found if run["figures"].get(figure) is not None})

    def processor(self, section):
        """That which it was measured on."""
        found = [run["processor"] for run in self.runs if run["section"] == section and "processor" in run]
        return found[0] if found else self.header["facts"]["processor"]

    def processors(self):
        """All of them; with the sections of each where there are several."""
        found = {}
        for section in dict.fromkeys(run["section"] for run in self.runs):
            found.setdefault(self.processor(section), []).append(section)
        if len(found) < 2:
            return next(iter(found), self.header["facts"]["processor"])
        return " and ".join(f"{processor} ({', '.join(sections)})" for processor, sections in found.items())

    def programs(self, section=None):
        """The commits that Trainyard was built from where it was measured, in a section or in all."""
        found = {run["figures"].get("program_commit") for run in self.runs if section in (None, run["section"])}
        return sorted(commit[:7] for commit in found - {None})

    def peaks(self, precision="float32"):
        """GFLOP/s by operation."""
        found = {name: self.get("throughput", "peak", f"{precision}_{name}") for name in OPERATIONS}
        return {name: values.median for name, values in found.items() if values}

    def peak(self, section, precision="float32"):
        """GFLOP/s of the fastest operation, on the section's processor."""
        if self.processor(section) != self.processor("throughput"):
            return None
        return max(self.peaks(precision).values(), default=None)


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values, show=number):
    """The median, and from where to where the rounds go."""
    return (
        f"{show(values.median)} ({show(values.least)} to {show(values.most)})"
        if values.count > 1
        else show(values.median)
    )


def seconds(value):
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def milliseconds(value):
    return f"{1000 * value:.2f} ms"


def megabytes(value):
    return f"{value / 1e6:,.0f} MB"


def percent(value):
    return f"{100 * value:.2f}%"


def times(value):
    return f"{value:.2f}x"


def table(heads, rows):
    marks = ["---"] + ["---:"] * (len(heads) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, marks, *rows])


def best_python(results, section="throughput", ending=""):
    """The fastest peer by its median; with `ending` of those whose names end so."""
    names = [
        case
        for case in results.cases(section)
        if case.startswith(("pytorch", "keras")) and case.endswith(ending) and (ending or not case.endswith("-avx2"))
    ]
    medians = {name: values.median for name in names if (values := results.get(section, name, "images_per_second"))}
    return max(medians, key=medians.get, default=None)


def goals(results):
    """`(what, wanted, measured, met)`; nothing where the figures are missing."""
    found = []

    def ratio(what, wanted, section, ours, theirs, figure="images_per_second", inverse=False, name=""):
        """How many times as fast ours is."""
        a, b = results.get(section, ours, figure), results.get(section, theirs, figure)
        values = b.per(a) if inverse else a.per(b)
        if values:
            name = f": {name}" if name else ""
            found.append((what + name, f"at least {wanted:g}x", spread(values, times), values.median >= wanted))

    def bound(what, wanted, values, limit, show):
        if values:
            found.append((what, wanted, spread(values, show), values.median <= limit))

    def same(section, what, ours, theirs):
        """Whether ours is as accurate as theirs: no worse beyond chance, and by no more than a point."""
        ours, theirs = (results.get(section, case, "test_accuracy") for case in (ours, theirs))
        if ours and theirs:
            mean, interval = difference(ours, theirs)
            said = f"{percent(ours.mean)} against {percent(theirs.mean)}, {100 * mean:+.2f} points"
            if interval:
                said += f" (95% interval {100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"
            met = bool(interval) and interval[1] >= 0 and mean >= -0.01
            found.append((f"{what}, {ours.count} seeds each", "no difference", said, met))

    for avx2, said in (("", ""), ("-avx2", ", AVX2 only")):
        ratio(
            f"training the tutorial against plain PyTorch{said}",
            5,
            "throughput",
            f"trainyard{avx2}",
            f"pytorch-plain{avx2}",
        )
        if not avx2:
            ratio("training the tutorial against Keras", 2.5, "throughput", "trainyard", "keras")
        if best := best_python(results, ending=avx2):
            label = results.cases("throughput")[best]
            ratio(
                f"training the tutorial against the best in Python{said}",
                2,
                "throughput",
                f"trainyard{avx2}",
                best,
                name=label,
            )
    ratio("ResNet-20 in bfloat16 against our float32", 1, "bfloat16", "trainyard-bfloat16", "trainyard")
    keras = results.get("accuracy-time", "keras", "evaluated")
    bounds = {71: (keras and keras.mean / 20, "a twentieth of Keras' time"), 75: (8, "8 s"), 80: (30, "30 s")}
    for goal, (most, words) in bounds.items():
        ours, accuracy = (
            results.get("accuracy-time", f"trainyard-{goal}", name) for name in ("evaluated", "test_accuracy")
        )
        if ours and most:
            said = f"{seconds(ours.mean)} at {percent(accuracy.mean)}"
            if goal == 71:
                said += f" against {seconds(keras.mean)}: {keras.mean / ours.mean:.1f}x"
            met = ours.mean <= most and accuracy.mean >= goal / 100
            found.append((f"time to {goal}% test accuracy, mean", f"at most {words}", said, met))
    ratio("`evaluate`, the whole command", 2, "inference", "trainyard-evaluate", "pytorch-evaluate")
    ratio("`predict`, the whole command", 2, "inference", "trainyard-predict", "pytorch-predict")
    for size in (256, 1):
        what = f"a pass over a batch of {size}"
        ratio(what, 2, "inference", "trainyard-latency", "pytorch-latency", f"latency_{size}", inverse=True)
    bound("start to first step", "at most 1 s", results.get("process", "trainyard", "first_step"), 1, seconds)
    ours = results.get("process", "trainyard", "peak")
    for peer in ("pytorch-plain", "pytorch-expert"):
        theirs = results.get("process", peer, "peak")
        if ours and theirs:
            label = results.cases("process")[peer]
            bound(f"peak memory against {label}", f"at most {megabytes(theirs.median)}", ours, theirs.median, megabytes)
    cost = results.get("process", "trainyard", "reporting")
    bound("what reporting takes of the training time", "at most 1%", cost, 0.01, percent)
    for section, network in (("larger", "ResNet-20"), ("mobilenet", "MobileNetV2")):
        ratio(f"training {network} against PyTorch, channels-last", 1.3, section, "trainyard", "pytorch-channels-last")
    same("agreement", "test accuracy of the tutorial, as Keras", "trainyard", "keras")
    same("precision", "test accuracy of cifar10-80.yaml in bfloat16, as in float32", "trainyard-bfloat16", "trainyard")
    return found


def goals_table(results):
    known = goals(results)
    if not known:
        return "No goal has all its figures."
    rows = [[what, wanted, measured, "met" if met else "**not met**"] for what, wanted, measured, met in known]
    return table(["goal", "wanted", "measured: median (least to most)", ""], rows)


def throughput_table(results, section="throughput", mflop=TUTORIAL_MFLOP, accuracy=True):
    plain = results.get(section, "pytorch-plain", "images_per_second")
    peak, rows = results.peak(section), []
    for case, label in results.cases(section).items():
        speeds = results.get(section, case, "images_per_second")
        if not speeds:
            continue
        avx2, half = case.endswith("-avx2"), "bfloat16" in case
        # The reference has the same instructions.
        reference = results.get(section, "pytorch-plain-avx2", "images_per_second") if avx2 else plain
        gflops = speeds.median * mflop / 1000
        of = results.peak(section, "bfloat16") if half else peak
        cells = [
            f"**{label}**" if case.startswith("trainyard") else label,
            spread(speeds),
            f"{ratio.median:.2f}" if reference and (ratio := speeds.per(reference)) else "",
            f"{gflops:,.0f}" + (f" ({100 * gflops / of:.0f}%)" if of and not avx2 else ""),
            f"{results.get(section, case, 'peak').median / 1e6:,.0f}",
        ]
        rows.append(cells)
    heads = ["program", "images/s: median (least to most)", "to plain PyTorch", "GFLOP/s (of the peak)", "memory, MB"]
    if not plain:
        heads.pop(2)
        for cells in rows:
            cells.pop(2)
    return table(heads, rows)


def timed_table(results):
    rows = []
    for case, label in results.cases("accuracy-time").items():
        took, accuracy, epochs = (
            results.get("accuracy-time", case, name) for name in ("evaluated", "test_accuracy", "epochs")
        )
        if took:
            rows.append(
                [
                    f"**{label}**" if case.startswith("trainyard") else label,
                    str(took.count),
                    f"{seconds(took.mean)} ± {took.deviation:.2f}",
                    f"{seconds(took.least)} to {seconds(took.most)}",
                    f"{percent(accuracy.mean)} ± {100 * accuracy.deviation:.2f}",
                    percent(accuracy.least),
                    f"{epochs.mean:.1f}",
                ]
            )
    heads = ["program", "seeds", "time: mean ± deviation", "least to most", "test accuracy", "least", "epochs"]
    return table(heads, rows)


def inference_table(results):
    rows = []
    for case, label in results.cases("inference").items():
        speeds, walls = results.get("inference", case, "images_per_second"), results.get("inference", case, "wall")
        passes = results.get("inference", case, "passes_images_per_second")
        latencies = [results.get("inference", case, f"latency_{size}") for size in (1, 256)]
        cells = [
            f"**{label}**" if case.startswith("trainyard") else label,
            spread(walls, seconds) if not latencies[0] else "",
            spread(speeds) if speeds and not case.endswith("-one") else "",
            spread(latencies[0], milliseconds) if latencies[0] else "",
            spread(latencies[1], milliseconds) if latencies[1] else "",
            f"{passes.median:,.0f}" if passes else f"{256 / latencies[1].median:,.0f}" if latencies[1] else "",
            f"{results.get('inference', case, 'peak').median / 1e6:,.0f}",
        ]
        rows.append(cells)
    heads = [
        "program",
        "whole process",
        "images/s of it",
        "batch of 1",
        "batch of 256",
        "images/s of passes",
        "memory, MB",
    ]
    return table(heads, rows)


def process_table(results):
    rows = []
    for case, label in results.cases("process").items():
        first, peak, reporting, speeds = (
            results.get("process", case, name) for name in ("first_step", "peak", "reporting", "images_per_second")
        )
        rows.append(
            [
                f"**{label}**" if case.startswith("trainyard") else label,
                spread(first, seconds),
                spread(peak, megabytes),
                spread(speeds),
                spread(reporting, percent) if reporting else "",
            ]
        )
    return table(["program", "start to first step", "peak memory", "images/s", "reporting's share of training"], rows)


def agreement_table(results, section="agreement"):
    rows = []
    for case, label in results.cases(section).items():
        accuracy, epochs = (results.get(section, case, name) for name in ("test_accuracy", "epochs"))
        rows.append(
            [
                f"**{label}**" if case.startswith("trainyard") else label,
                str(accuracy.count),
                f"{percent(accuracy.mean)} ± {100 * accuracy.deviation:.2f}",
                f"{percent(accuracy.least)} to {percent(accuracy.most)}",
                f"{epochs.mean:.1f}",
            ]
        )
    return table(["program", "seeds", "test accuracy: mean ± deviation", "least to most", "epochs"], rows)


SCALED = [
    ("trainyard", "Trainyard", "ours"),
    ("pytorch-expert-allocator", "PyTorch, expert, allocator's variables", "strong"),
    ("pytorch-plain", "PyTorch, plain", "plain"),
]
QUANTITIES = ["batch", "width", "image size", "threads"]


def scaled(results):
    """By quantity: `(values, {program: microseconds an image})`, from the names of the cases."""
    points = {}
    for run in results.ordered("scaling"):
        program, name = run["case"].split(":")
        point = {part.rsplit(" ", 1)[0]: float(part.rsplit(" ", 1)[1]) for part in name.split(", ")}
        points[name] = point
    if not points:
        return {}
    # The middle is what most points have.
    middle = {quantity: statistics.mode(point[quantity] for point in points.values()) for quantity in QUANTITIES}
    found = {}
    for quantity in QUANTITIES:
        values = sorted(
            {p[quantity] for p in points.values() if all(p[q] == middle[q] for q in QUANTITIES if q != quantity)}
        )
        heights = {}
        for program, *_ in SCALED:
            names = [point_name({**middle, quantity: value}) for value in values]
            speeds = [results.get("scaling", f"{program}:{name}", "images_per_second") for name in names]
            heights[program] = [1e6 / speed.median if speed else None for speed in speeds]
        found[quantity] = (values, heights)
    return found


def scaling_table(results):
    rows = []
    for quantity, (values, heights) in scaled(results).items():
        for index, value in enumerate(values):
            costs = [heights[program][index] for program, *_ in SCALED]
            best = min((cost for cost in costs[1:] if cost), default=None)
            ratio = f"{best / costs[0]:.2f}" if best and costs[0] else ""
            rows.append([f"{quantity} {value:g}", *(number(cost) if cost else "" for cost in costs), ratio])
    return table(["what differs", *(label for _, label, _ in SCALED), "Trainyard to the better one"], rows)


def kind(case):
    return "ours" if case.startswith("trainyard") else "plain"


def charts(results, directory):
    """Writes those that there are figures for; gives their names."""
    facts, written = results.header["facts"], []

    def under(section):
        # Clouds call all generations alike; the family tells them apart.
        name, *more = re.split(r"; |, ", results.processor(section))
        family = [part.removeprefix("cpu ") for part in more if part.startswith("cpu family")]
        built = ", ".join(results.programs(section))
        return f"{' '.join([name, *family])}, {facts['threads']} threads, Trainyard of {built}"

    def write(name, content):
        (directory / name).write_text(content)
        written.append(name)

    if results.has("throughput"):
        shown = {
            case: label
            for case, label in results.cases("throughput").items()
            if case not in ("peak", "trainyard-quiet")
        }
        groups = []
        for heading, some in (
            ("float32", [case for case in shown if not case.endswith("-avx2")]),
            ("float32, AVX2 only", [case for case in shown if case.endswith("-avx2")]),
        ):
            speeds = {case: results.get("throughput", case, "images_per_second") for case in some}
            group = [
                (
                    shown[case].removesuffix(", AVX2 only"),
                    kind(case),
                    speed.median,
                    speed.least,
                    speed.most,
                    number(speed.median),
                )
                for case, speed in sorted(speeds.items(), key=lambda item: -item[1].median if item[1] else 0)
                if speed
            ]
            if group:
                groups.append((heading, group))
        if groups:
            note = f"images/s: median, least and most of the rounds; {under('throughput')}"
            write(CHARTS[0], chart.bars("Training the CIFAR-10 tutorial", note, groups))
    if results.has("accuracy-time"):
        group = []
        for case, label in results.cases("accuracy-time").items():
            took, accuracy = (results.get("accuracy-time", case, name) for name in ("evaluated", "test_accuracy"))
            if took:
                said = f"{seconds(took.mean)}, {100 * accuracy.mean:.1f}%"
                group.append((label, kind(case), took.mean, took.least, took.most, said))
        note = f"seconds from start to result, and test accuracy: means over seeds; {under('accuracy-time')}"
        if group:
            write(CHARTS[1], chart.bars("Time to an evaluated result", note, [("", group)]))
    if pictures := scaled(results):
        headings = {"batch": "by batch size", "width": "by width", "image size": "by side of the images, pixels"}
        drawn = [(headings.get(name, f"by {name}"), *content) for name, content in pictures.items()]
        note = f"microseconds an image in training, logarithmic; {under('scaling')}"
        write(CHARTS[2], chart.panels("How cost grows", note, SCALED, drawn))
    return written


def facts_list(results):
    facts = results.header["facts"] | {"processor": results.processors()}
    if programs := results.programs():
        facts["Trainyard built from"] = ", ".join(programs)
    for precision in ("float32", "bfloat16"):
        if peaks := results.peaks(precision):
            said = ", ".join(f"{OPERATIONS[name]} {gflops:,.0f}" for name, gflops in peaks.items())
            facts[f"peak in {precision}"] = f"{said} GFLOP/s"
    runs = [run["figures"].get("others") for run in results.runs]
    runs = [share for share in runs if share is not None]
    if runs:
        many = sum(share > DISTURBED for share in runs)
        facts["disturbance"] = (
            f"others took {100 * statistics.median(runs):.1f}% of the processors in the median run, "
            f"more than {100 * DISTURBED:.0f}% in {many} of {len(runs)}; "
            f"{results.again} more were measured again for that"
        )
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


TEXTS = {
    "throughput": (
        "Training the tutorial",
        "The network of `pipelines/cifar10.yaml`, batch 256, with the stages of the data, loss and accuracy; "
        "Trainyard also shows its progress on a terminal. Images a second are of training alone: the median of a "
        "run's epochs after the first. What the variants of PyTorch are is in "
        "`benches/peers/pytorch_training.py`. A training step costs 25.6 MFLOP an image in its convolutions and "
        "dense layers; the peak is the fastest of libtorch's operations above.",
        throughput_table,
    ),
    "larger": (
        "ResNet-20",
        "`benches/pipelines/resnet20.yaml`, batch 128, float32, without augmentation or validation.",
        lambda results: throughput_table(results, "larger", RESNET_MFLOP),
    ),
    "mobilenet": (
        "MobileNetV2",
        "`benches/pipelines/mobilenet.yaml`, 0.35 of the channels, batch 128, float32, without augmentation or validation.",
        lambda results: throughput_table(results, "mobilenet", MOBILENET_MFLOP),
    ),
    "bfloat16": (
        "bfloat16",
        "ResNet-20 again; PyTorch by `torch.autocast`.",
        lambda results: throughput_table(results, "bfloat16", RESNET_MFLOP),
    ),
    "accuracy-time": (
        "Time to accuracy",
        "From the start of the process to the line with the test accuracy. The peers stop with the first epoch "
        "whose accuracy on the test data, on which the tutorial validates, is at least 71%; Trainyard's pipelines "
        "train for a number of epochs that is fixed beforehand.",
        timed_table,
    ),
    "inference": (
        "Inference",
        "10,000 test images in batches of 256. `evaluate` reads, evaluates, computes all steps of the tutorial's "
        "`evaluation` and writes the report; the script in PyTorch only accuracy and loss. `predict` decodes PNG "
        "files. Passes go from bytes in memory to probabilities, without starting a process.",
        inference_table,
    ),
    "process": (
        "The process",
        "Trainyard's start counts from the process', with what comes before and after its own clock; the peers' "
        "ends where their first step begins. The peak is the most memory that was resident. Reporting is "
        "what training waits for: progress, records, checkpoints, the report.",
        process_table,
    ),
    "scaling": (
        "How cost grows",
        "Microseconds an image in training: the tutorial's network on made-up images, with batches of 256 images "
        "of 32 pixels, but for what the row says.",
        scaling_table,
    ),
    "agreement": (
        "Accuracy was not traded for speed",
        "The tutorial to its end, with early stopping, on the same data.",
        agreement_table,
    ),
    "precision": (
        "Accuracy in bfloat16",
        "`pipelines/cifar10-80.yaml` in both precisions with the same seeds.",
        lambda results: agreement_table(results, "precision"),
    ),
}


def sizes(runs):
    """Whether all networks of a section have as many parameters."""
    counts = {run["figures"]["parameters"]: run["label"] for run in runs if "parameters" in run["figures"]}
    if not counts or runs[0]["section"] in ("scaling", "accuracy-time"):
        return ""
    if len(counts) > 1:
        told = ", ".join(f"{label} {count:,}" for count, label in counts.items())
        return f" **The networks differ in their parameters: {told}.**"
    return f" All networks have {next(iter(counts)):,} parameters."


PICTURES = {"throughput": CHARTS[0], "accuracy-time": CHARTS[1], "scaling": CHARTS[2]}


def write(rows, directory):
    """Writes report and charts; gives the report's text."""
    results = Results(rows)
    for name in CHARTS:
        (directory / name).unlink(missing_ok=True)
    drawn = charts(results, directory)
    parts = [
        "# Benchmarks",
        "Written by `benches/run`, everything in one go, programs taking turns; `make bench` does it again.",
    ]
    if results.header.get("quick"):
        parts.append("**A quick run: it shows that everything works, and says nothing about speed.**")
    parts += [facts_list(results), "## Goals", goals_table(results)]
    for section, (heading, words, make) in TEXTS.items():
        if not results.has(section):
            continue
        parts += [f"## {heading}", words]
        if PICTURES.get(section) in drawn:
            parts.append(f"![{heading}]({PICTURES[section]})")
        parts.append(make(results))
        runs = results.ordered(section)
        rounds = max(run["round"] for run in runs)
        parts.append(
            f"{rounds} round{'s' * (rounds > 1)}, {results.seconds.get(section, 0) / 60:.0f} minutes.{sizes(runs)}"
        )
    if results.notes or results.failed:
        failed = [(row, row["failed"].splitlines()[1]) for row in results.failed]
        failed = [f"{row['section']}, {row['label']}, round {row['round']}: {how}" for row, how in failed]
        parts += ["## Notes", "\n".join(f"- {note}" for note in results.notes + failed)]
    content = "\n\n".join(parts) + "\n"
    (directory / "benchmarks.md").write_text(content)
    return content


def publish(directory):
    """Copies the results into docs/, and the main tables into README.md."""
    results = Results(read(directory / "benchmarks.jsonl"))
    docs, readme = ROOT / "docs", ROOT / "README.md"
    for name in ["benchmarks.jsonl", "benchmarks.md", *CHARTS]:
        if (directory / name).exists():
            shutil.copy(directory / name, docs / name)
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    facts = results.header["facts"]
    parts = []
    if (docs / CHARTS[0]).exists():
        parts.append(f"![images a second in training](docs/{CHARTS[0]})")
    if results.has("throughput"):
        parts.append(throughput_table(results))
    parts.append(goals_table(results))
    parts.append(
        f"{results.processors()}; {facts['threads']} threads; commit {facts['commit']}; {facts['versions']}; "
        f"{facts['date']}. Everything else is in [docs/benchmarks.md](docs/benchmarks.md)."
    )
    readme.write_text(before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after)
