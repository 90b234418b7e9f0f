"""Make parquet files as others write them: an image set as Hugging Face's libraries lay it out, and a table of pandas.

    .venv/bin/python tests/rows/generate.py    # pillow 13.0.0, pyarrow 26.0.1, pandas 3.1.1, Python 3.11
"""

import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent
NAMES = ["angular_leaf_spot", "bean_rust", "healthy"]


def png(value):
    """An image of a single colour."""
    file = io.BytesIO()
    Image.new("RGB", (3, 2), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def images(name, values, labels):
    """The schema of `datasets`: a struct with the bytes and the path, and numbered classes that the metadata name."""
    features = {"image": {"_type": "Image"}, "labels": {"names": NAMES, "_type": "ClassLabel"}}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("image_file_path", pa.string()), ("image", image), ("labels", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    rows = [
        {
            "image_file_path": f"/home/{value}.png",
            "image": None if value is None else {"bytes": png(value) if value < 200 else b"no image", "path": f"{value}.png"},
            "labels": label,
        }
        for value, label in zip(values, labels)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), HERE / name, row_group_size=2)


def plain():
    """Bytes without a struct, and classes as text."""
    table = pa.table({"picture": pa.array([png(1), png(2), png(3)], pa.binary()), "kind": ["b", "a", "b"]})
    pq.write_table(table, HERE / "plain.parquet", compression="zstd")


def table():
    """Numbers of several types, a categorical column, which pandas stores as a dictionary, and a truth value."""
    frame = pd.DataFrame(
        {
            "age": pd.array([20, 30, 40, 50, 60, 35], "int8"),
            "hours": [1.5, 2.5, None, 4.5, 5.5, 3.0],
            "city": pd.Categorical(["Rome", "Oslo", "Rome", "Bern", "Oslo", "Bern"]),
            "member": [True, False, True, True, False, False],
            "kind": pd.Categorical(["x", "y", "x", "y", "x", "y"]),
        }
    )
    frame.to_parquet(HERE / "table.parquet", index=False)


def main():
    images("train-00000-of-00002.parquet", [10, 20, 30, 250], [0, 1, 2, 0])
    images("train-00001-of-00002.parquet", [40, None, 60], [1, 2, 5])
    images("test-00000-of-00001.parquet", [70, 80, 90], [2, 1, 0])
    plain()
    table()


if __name__ == "__main__":
    main()
