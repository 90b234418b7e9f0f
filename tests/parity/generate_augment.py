"""Compute `augment.json`: what Keras and torchvision make of small images, for fixed parameters of every augmentation.

    python -m venv .venv
    .venv/bin/pip install keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6 torch==2.11.0 torchvision==0.26.0
    .venv/bin/python tests/parity/generate_augment.py

Images are bytes, `[height, width, channels]`, in hexadecimal. A case names the image, the function of ours that it is
for, its arguments and the answer. Real numbers are rounded to bytes as Keras leaves that to the caller.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchvision  # noqa: E402
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional as F  # noqa: E402

rng = np.random.default_rng(7)
HEIGHT, WIDTH = 8, 11
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]


def picture(channels):
    """A ramp with noise, so that values lie near each other as in photographs, but no two alike."""
    ramp = np.stack([x * 14 + y * 4, 200 - y * 15 - x, 60 + (x - y) * 9], axis=-1)[..., :channels]
    return np.clip(ramp + rng.integers(-20, 21, (HEIGHT, WIDTH, channels)), 0, 255).astype(np.uint8)


IMAGES = {
    "color": picture(3),
    "grey": picture(1),
    "dark": (picture(3) // 4 + 20).astype(np.uint8),
    "random": rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8),
    # Large enough for a histogram to have steps; few values, some of them missing.
    "large": (rng.integers(0, 10, (32, 32, 3)) ** 2 * 3).astype(np.uint8),
}
cases = []


def add(image, function, arguments, answer):
    answer = np.asarray(answer)
    if answer.dtype != np.uint8:
        answer = np.clip(np.round(answer), 0, 255).astype(np.uint8)
    cases.append({
        "image": image, "function": function, "arguments": arguments,
        "shape": list(answer.shape), "answer": answer.tobytes().hex(),
    })


def tensor(image):
    return torch.from_numpy(IMAGES[image]).permute(2, 0, 1).contiguous()


def back(answer):
    return answer.permute(1, 2, 0).numpy()


def transformed(layer, image, transformation, scale=1.0):
    batch = IMAGES[image][None].astype("float32") / scale
    return np.asarray(layer.transform_images(batch, transformation, training=True))[0] * scale


# ----------------------------------------------------------------------------------------- Keras: turned, moved, scaled
for image, fill_mode, interpolation in [
    ("color", "reflect", "bilinear"), ("color", "constant", "bilinear"), ("color", "nearest", "bilinear"),
    ("color", "wrap", "bilinear"), ("grey", "reflect", "bilinear"), ("grey", "constant", "nearest"),
    ("color", "reflect", "nearest"),
]:
    options = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 90.0}
    batch = IMAGES[image][None].astype("float32")
    shape = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 90}
    # A quarter turn of these sides leads halfway between pixels: without the nearest one.
    for angle in [0.0, 0.03, -0.17, 0.25 if interpolation == "bilinear" else 0.24]:
        layer = keras.layers.RandomRotation([angle, angle], **options)
        add(image, "rotate", {"angle": angle, **shape}, np.asarray(layer(batch, training=True))[0])
    for down, right in [(0.0, 0.0), (0.2, -0.31), (-0.55, 0.77)]:
        layer = keras.layers.RandomTranslation([down, down], [right, right], **options)
        add(image, "translate", {"down": down * HEIGHT, "right": right * WIDTH, **shape},
            np.asarray(layer(batch, training=True))[0])
    for height, width in [(0.0, 0.0), (0.3, -0.4), (-0.5, -0.25), (0.9, 0.8)]:
        layer = keras.layers.RandomZoom([height, height], [width, width], **options)
        add(image, "zoom", {"height": 1 + height, "width": 1 + width, **shape},
            np.asarray(layer(batch, training=True))[0])
    for x_factor, y_factor in [(0.0, 0.0), (0.35, -0.2), (-0.9, 0.6)]:
        layer = keras.layers.RandomShear(**options)
        answer = layer._transform_images(
            batch, {"shear_factor": np.array([[x_factor, y_factor]], dtype="float32")}, interpolation)
        add(image, "shear", {"x": x_factor, "y": y_factor, **shape}, np.asarray(answer)[0])

# ------------------------------------------------------------------------------------------------------- Keras: values
for image in ["color", "grey", "random"]:
    for delta in [0.0, 0.2, -0.35]:
        layer = keras.layers.RandomBrightness([delta, delta])
        add(image, "add", {"delta": delta * 255},
            np.asarray(layer(IMAGES[image].astype("float32")[None], training=True))[0])
    for factor in [1.0, 0.6, 1.7]:
        layer = keras.layers.RandomContrast(0.5)
        add(image, "contrast", {"factor": factor}, transformed(layer, image, {"contrast_factor": np.float32(factor)}))
for image in ["color", "random"]:
    for factor in [1.0, 0.0, 0.4, 2.5, 1e6]:
        layer = keras.layers.RandomSaturation(0.5, value_range=(0, 1))
        add(image, "saturation", {"factor": factor}, transformed(layer, image, {"factor": np.float32([factor])}, 255.0))
    for shift in [0.0, 0.1, -0.1, 0.5, -0.37]:
        layer = keras.layers.RandomHue(0.5)
        add(image, "hue", {"shift": shift}, transformed(layer, image, {"factor": np.float32([shift])}))
    layer = keras.layers.RandomGrayscale(1.0)
    add(image, "grayscale", {}, transformed(layer, image, np.ones((1, 1, 1, 1), bool)))

# ---------------------------------------------------------------------------------------------------------- torchvision
for image in ["color", "grey", "random"]:
    add(image, "flip", {"mode": "horizontal"}, back(F.horizontal_flip(tensor(image))))
    add(image, "flip", {"mode": "vertical"}, back(F.vertical_flip(tensor(image))))
    add(image, "invert", {}, back(F.invert(tensor(image))))
    for bits in [0, 1, 4, 7, 8]:
        add(image, "posterize", {"bits": bits}, back(F.posterize(tensor(image), bits)))
    for threshold in [0, 128, 100.5, 255]:
        add(image, "solarize", {"threshold": threshold}, back(F.solarize(tensor(image), threshold)))
    for padding, mode, top, left in [
        (0, "constant", 0, 0), (4, "constant", 1, 7), (4, "reflect", 8, 0), (7, "reflect", 0, 14),
    ]:
        padded = F.pad(tensor(image), [padding] * 4, padding_mode=mode)
        add(image, "crop", {"padding": padding, "mode": mode, "top": top, "left": left, "size": [HEIGHT, WIDTH]},
            back(F.crop(padded, top, left, HEIGHT, WIDTH)))
    add(image, "crop", {"padding": 1, "mode": "reflect", "top": 3, "left": 5, "size": [6, 7]},
        back(F.crop(F.pad(tensor(image), [1] * 4, padding_mode="reflect"), 3, 5, 6, 7)))
    for part, size in [
        ((0, 0, HEIGHT, WIDTH), (HEIGHT, WIDTH)), ((2, 3, 5, 6), (HEIGHT, WIDTH)), ((1, 0, 7, 10), (4, 5)), ((4, 4, 1, 1), (3, 3)),
    ]:
        add(image, "resized_crop", {"part": part, "size": size}, back(F.resized_crop(tensor(image), *part, list(size))))
    for size, sigma in [(3, 0.1), (3, 1.0), (5, 1.5), (9, 4.0)]:
        add(image, "blur", {"size": size, "sigma": sigma}, back(F.gaussian_blur(tensor(image), [size] * 2, [sigma] * 2)))
    for top, left, height, width in [(0, 0, HEIGHT, WIDTH), (2, 3, 4, 5), (1, 1, 0, 3)]:
        add(image, "erase", {"corner": [top, left], "size": [height, width], "value": 77},
            back(F.erase(tensor(image), top, left, height, width, torch.tensor(77, dtype=torch.uint8))))
for image in IMAGES:
    add(image, "equalize", {}, back(F.equalize(tensor(image))))
    add(image, "auto_contrast", {}, back(F.autocontrast(tensor(image))))
    for factor in [0.0, 0.5, 1.0, 2.0]:
        add(image, "adjust_sharpness", {"factor": factor}, back(F.adjust_sharpness(tensor(image), factor)))
        add(image, "adjust_brightness", {"factor": factor}, back(F.adjust_brightness(tensor(image), factor)))
        add(image, "adjust_contrast", {"factor": factor}, back(F.adjust_contrast(tensor(image), factor)))
        if image != "grey":
            add(image, "adjust_saturation", {"factor": factor}, back(F.adjust_saturation(tensor(image), factor)))

# ------------------------------------------------------------------------------------------------ torchvision: policies
strengths = []
for kind, bins in [("common", 31), ("common", 10), ("wide", 31)]:
    space = {("common", 31): v2.RandAugment, ("common", 10): v2.AutoAugment, ("wide", 31): v2.TrivialAugmentWide}[kind, bins]
    for name, (magnitudes, signed) in space._AUGMENTATION_SPACE.items():
        values = magnitudes(bins, 32, 48)
        if values is not None:
            strengths.append({"scale": kind, "operation": name, "signed": signed, "strengths": [float(v) for v in values]})
augment = v2.RandAugment()
for operation, values in {
    "ShearX": [0.0, 0.21, -0.3], "ShearY": [0.12, -0.77], "TranslateX": [4.7, -2.1], "TranslateY": [3.0, -7.9],
    "Rotate": [0.0, 23.0, -100.0], "Brightness": [0.4, -0.9], "Color": [0.9, -0.3], "Contrast": [0.5, -0.6],
    "Sharpness": [0.9, -0.9], "Posterize": [4.0, 8.0], "Solarize": [0.3, 1.0], "AutoContrast": [0.0], "Equalize": [0.0],
    "Invert": [0.0], "Identity": [0.0],
}.items():
    for strength in values:
        for image in ["color", "grey"]:
            answer = augment._apply_image_or_video_transform(
                tensor(image), operation, strength, interpolation=augment.interpolation, fill=augment._fill)
            add(image, "perform", {"operation": operation, "strength": strength}, back(answer))
policy = [[[name, probability, bin or 0] for name, probability, bin in pair]
          for pair in v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)._policies]

document = {
    "versions": {"keras": keras.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__},
    "images": {name: {"shape": list(image.shape), "pixels": image.tobytes().hex()} for name, image in IMAGES.items()},
    "strengths": strengths,
    "policy": policy,
}
lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in document.items()]
rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
text = "{" + ",\n".join(lines) + ',\n"cases": [\n' + rows + "\n]}\n"
Path(__file__).with_name("augment.json").write_text(text)
