"""Write wine.csv from the copy of the data that scikit-learn ships.

    pip install scikit-learn==1.9.1
    python assets/wine/make.py
"""

import csv
from pathlib import Path

from sklearn.datasets import load_wine

wine = load_wine()
names = [name.replace("/", "_").replace(" ", "_") for name in wine.feature_names]
with Path(__file__).with_name("wine.csv").open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["cultivar", *names])
    for label, row in zip(wine.target, wine.data):
        writer.writerow([f"cultivar_{label + 1}", *(f"{value:g}" for value in row)])
