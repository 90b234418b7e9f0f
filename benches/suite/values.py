"""What a few measurements say together."""

import math
import statistics
from dataclasses import dataclass


@dataclass
class Values:
    """The figures of several rounds, by round."""

    by_round: dict

    def __bool__(self):
        return bool(self.by_round)

    @property
    def all(self):
        return list(self.by_round.values())

    @property
    def count(self):
        return len(self.by_round)

    @property
    def median(self):
        return statistics.median(self.all)

    @property
    def mean(self):
        return statistics.mean(self.all)

    @property
    def deviation(self):
        """Standard deviation of the sample; 0 of a single figure."""
        return statistics.stdev(self.all) if self.count > 1 else 0.0

    @property
    def least(self):
        return min(self.all)

    @property
    def most(self):
        return max(self.all)

    def per(self, other):
        """The ratio in each round that both have: what slows a round down slows both."""
        both = self.by_round.keys() & other.by_round.keys()
        return Values({number: self.by_round[number] / other.by_round[number] for number in sorted(both)})


# The 97.5% quantile of Student's t for 1, 2, ... degrees of freedom.
T = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131]


def difference(a, b):
    """Mean of `a` less that of `b`, and Welch's 95% interval; none where there are too few."""
    mean = a.mean - b.mean
    if a.count < 2 or b.count < 2:
        return mean, None
    u, v = a.deviation**2 / a.count, b.deviation**2 / b.count
    if u + v == 0:
        return mean, (mean, mean)
    freedom = (u + v) ** 2 / (u**2 / (a.count - 1) + v**2 / (b.count - 1))
    half = T[min(len(T), max(1, int(freedom))) - 1] * math.sqrt(u + v)
    return mean, (mean - half, mean + half)
