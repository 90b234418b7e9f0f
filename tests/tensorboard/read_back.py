"""Have a program train, and read its event files with TensorBoard's own loader.

    python -m venv .venv
    .venv/bin/pip install --requirement tests/tensorboard/requirements.txt
    .venv/bin/python tests/tensorboard/read_back.py target/debug/trainyard

`make tensorboard` does that. TensorFlow isn't needed.
"""

import csv
import io
import json
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.image import metadata as image_plugin
from tensorboard.plugins.scalar import metadata as scalar_plugin
from tensorboard.util import tensor_util

PIPELINE = Path(__file__).with_name("pipeline.yaml").resolve()
PLUGINS = {"images": image_plugin, "scalars": scalar_plugin}
PROGRAM = Path(sys.argv.pop(1)).resolve()


def event_files(directory):
    return sorted(directory.glob("*tfevents*"))


class Events:
    """All that TensorBoard finds in a directory."""

    def __init__(self, directory):
        assert len(event_files(directory)) == 1, list(directory.iterdir())
        self.accumulator = EventAccumulator(str(directory), size_guidance={TENSORS: 0}).Reload()

    def tags(self, plugin):
        tags = self.accumulator.PluginTagToContent(plugin)
        # TensorBoard passes over what a later version of the plugin wrote.
        for content in tags.values():
            assert PLUGINS[plugin].parse_plugin_metadata(content).version == PLUGINS[plugin].PROTO_VERSION
        return set(tags)

    def scalars(self, tag):
        """Steps and values."""
        events = self.accumulator.Tensors(tag)
        return [event.step for event in events], [tensor_util.make_ndarray(event.tensor_proto).item() for event in events]

    def images(self, tag):
        (event,) = self.accumulator.Tensors(tag)
        width, height, *pngs = tensor_util.make_ndarray(event.tensor_proto)
        return (int(width), int(height)), [Image.open(io.BytesIO(png)) for png in pngs]


def records(path):
    """Lengths of the data of all records; fails where the file doesn't end with one."""
    rest, lengths = path.read_bytes(), []
    while rest:
        (length,) = struct.unpack("<Q", rest[:8])
        assert len(rest) >= 16 + length, f"{path} ends within a record"
        lengths.append(length)
        rest = rest[16 + length :]
    return lengths


class WholeRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        command = [PROGRAM, "run", "--quiet", "--json", PIPELINE]
        ran = subprocess.run(command, cwd=cls.home.name, check=True, stdout=subprocess.PIPE)
        cls.run_directory = Path(cls.home.name) / json.loads(ran.stdout)["run"]
        with (cls.run_directory / "history.csv").open() as file:
            cls.history = list(csv.DictReader(file))
        cls.info = json.loads((cls.run_directory / "run.json").read_text())
        parts = (cls.run_directory / "tensorboard").iterdir()
        cls.events = {part.name: Events(part) for part in parts}

    def column(self, name):
        return [np.float32(row[name]) for row in self.history]

    def test_there_is_what_keras_would_write(self):
        epochs = {"epoch_loss", "epoch_accuracy"}
        evaluated = {"evaluation_loss_vs_iterations", "evaluation_accuracy_vs_iterations"}
        steps = {"batch_loss", "batch_accuracy"}
        self.assertEqual(self.events["train"].tags("scalars"), epochs | steps | {"epoch_learning_rate"})
        self.assertEqual(self.events["validation"].tags("scalars"), epochs | evaluated)
        self.assertEqual(self.events["test"].tags("scalars"), evaluated)
        self.assertEqual(set(self.events), {"train", "validation", "test"})

    def test_figures_of_epochs_are_those_of_the_history(self):
        self.assertEqual(len(self.history), 2)
        for part, tag, column in [
            ("train", "epoch_loss", "loss"),
            ("train", "epoch_accuracy", "accuracy"),
            ("train", "epoch_learning_rate", "learning_rate"),
            ("validation", "epoch_loss", "val_loss"),
            ("validation", "epoch_accuracy", "val_accuracy"),
        ]:
            with self.subTest(part=part, tag=tag):
                self.assertEqual(self.events[part].scalars(tag), ([0, 1], self.column(column)))

    def test_figures_by_steps_have_the_right_steps(self):
        # 180 examples in batches of 32: six steps in an epoch.
        self.assertEqual(self.info["training"]["steps_per_epoch"], 6)
        for tag in ["batch_loss", "batch_accuracy"]:
            self.assertEqual(self.events["train"].scalars(tag)[0], [4, 8, 12])
        # The last step of an epoch knows the figures of all of it.
        self.assertEqual(self.events["train"].scalars("batch_loss")[1][2], self.column("loss")[1])
        evaluated = self.events["validation"].scalars("evaluation_loss_vs_iterations")
        self.assertEqual(evaluated, ([6, 12], self.column("val_loss")))

    def test_figures_on_the_test_data_are_those_of_the_evaluation(self):
        metrics = json.loads((self.run_directory / "evaluation.json").read_text())["metrics"]
        for name in ["loss", "accuracy"]:
            got = self.events["test"].scalars(f"evaluation_{name}_vs_iterations")
            self.assertEqual(got, ([12], [np.float32(metrics[f"test_{name}"])]))

    def test_images_are_those_that_were_seen(self):
        train = self.events["train"]
        self.assertEqual(train.tags("images"), {"sample", "sample_augmented"})
        seen = {}
        for tag in ["sample", "sample_augmented"]:
            size, images = train.images(tag)
            self.assertEqual(size, (12, 12))
            self.assertGreater(len(images), 3)
            for image in images:
                self.assertEqual(image.size, size)
            seen[tag] = np.stack([np.asarray(image.convert("RGB")) for image in images])
        self.assertEqual(seen["sample"].shape, seen["sample_augmented"].shape)
        self.assertGreater(seen["sample"].std(), 1)
        self.assertTrue((seen["sample"] != seen["sample_augmented"]).any())

    def test_the_graph_has_the_layers(self):
        nodes = {node.name: node for node in self.events["train"].accumulator.Graph().node}
        short = {name.rsplit("/")[-1]: node for name, node in nodes.items()}
        self.assertEqual(set(short), {"input"} | {layer["name"] for layer in self.info["layers"]})
        for layer in self.info["layers"]:
            node = short[layer["name"]]
            self.assertEqual(node.op, layer["kind"])
            self.assertEqual(node.attr["parameters"].i, layer["parameters"])
            (shape,) = node.attr["_output_shapes"].list.shape
            self.assertEqual([dim.size for dim in shape.dim], [-1, *layer["output_shape"]])
            for name in node.input:
                self.assertIn(name, nodes)
        inputs = {name: list(node.input) for name, node in nodes.items()}
        self.assertEqual(inputs["rescaling"], ["input"])
        self.assertEqual(inputs["conv2d"], ["rescaling"])
        self.assertEqual(inputs["residual/conv2d_1"], ["conv2d"])
        self.assertEqual(inputs["residual"], ["residual/conv2d_1", "conv2d"])
        self.assertEqual(inputs["branches"], ["branches/conv2d_2", "branches/conv2d_3"])
        self.assertEqual(inputs["flatten"], ["branches"])

    def test_every_file_says_who_wrote_it(self):
        for events in self.events.values():
            self.assertEqual(events.accumulator.GetSourceWriter(), "trainyard")


class KilledRun(unittest.TestCase):
    def test_what_was_written_can_be_read(self):
        with tempfile.TemporaryDirectory() as home:
            command = [PROGRAM, "run", "--quiet", PIPELINE, "--set", "training.epochs=1000000"]
            command += ["--set", "training.callbacks=[tensorboard: 1]"]
            with subprocess.Popen(command, cwd=home) as process:
                deadline = time.monotonic() + 120
                # A handful of epochs.
                while sum(1 for _ in Path(home).glob("runs/*/*/tensorboard/validation/*")) == 0:
                    self.assertIsNone(process.poll(), "it ended by itself")
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                time.sleep(0.5)
                process.send_signal(signal.SIGKILL)
            (train,) = Path(home).glob("runs/*/*/tensorboard/train/*")
            self.assertGreater(len(records(train)), 10)
            # This loader doesn't make two events of a graph.
            self.assertEqual(len(list(LegacyEventFileLoader(str(train)).Load())), len(records(train)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
