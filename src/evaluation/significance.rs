//! Whether a difference between two models on the same examples is more than chance.

use super::{Answers, Estimates};

/// A p-value below this is called significant.
pub const LEVEL: f64 = 0.05;

/// How many examples only the first of two models has right, and how many only the second, both in the order of `labels`.
pub fn only_one_right(labels: &[u32], first: &[u32], second: &[u32]) -> (u64, u64) {
    labels.iter().zip(first.iter().zip(second)).fold((0, 0), |(one, other), (label, (a, b))| {
        (one + u64::from(a == label && b != label), other + u64::from(a != label && b == label))
    })
}

/// McNemar's exact test, two-sided, of two models that are judged on the same examples: only the first is right on
/// `only_first` of them, only the second on `only_second`. The p-value: were both equally often right, how likely a
/// difference at least as large is.
///
/// min(1, 2 P(X <= min(b, c))), X ~ Bin(b + c, 1/2), which is scipy's `binomtest(b, b + c).pvalue`. The largest term
/// is computed in logarithms, the smaller ones by their ratio to it, so that neither a binomial coefficient nor a
/// power of two leaves the range of numbers.
pub fn mcnemar(only_first: u64, only_second: u64) -> f64 {
    let (k, n) = (only_first.min(only_second), only_first + only_second);
    let rest = n - k;
    // ln (C(n, k) / 2^n); half of the powers of two goes with the factors, which keeps the sum short.
    let mut logarithm = -((rest - k) as f64) * std::f64::consts::LN_2;
    for i in 1..=k {
        logarithm += ((rest + i) as f64 / (4.0 * i as f64)).ln();
    }
    let (mut sum, mut ratio) = (1.0, 1.0);
    for i in (1..=k).rev() {
        ratio *= i as f64 / (n - i + 1) as f64;
        sum += ratio;
        if ratio < 1e-18 * sum {
            break;
        }
    }
    (2.0 * logarithm.exp() * sum).min(1.0)
}

/// On how many examples only the first of two models has its number nearer to the true one, and on how many only the second;
/// both have their residuals in the order of the examples.
pub fn only_one_nearer(first: &[f64], second: &[f64]) -> (u64, u64) {
    first
        .iter()
        .zip(second)
        .fold((0, 0), |(one, other), (a, b)| (one + u64::from(a.abs() < b.abs()), other + u64::from(b.abs() < a.abs())))
}

/// So many differences are still judged by counting all ways in which their signs could have fallen.
const COUNTED: usize = 50;

/// Wilcoxon's signed-rank test, two-sided, of the differences between what two models give for the same examples. The
/// p-value: did each difference point either way with equal chance, how likely a sum of ranks at least as uneven is.
///
/// Differences of 0 are left out, equal ones share their ranks. Up to 50 of them it is exact: all ways in which the signs
/// could have fallen are counted, which without equal ones is scipy's `wilcoxon(d, method="exact")`. With more it is the normal
/// approximation with the variance that ties leave, `wilcoxon(d, method="asymptotic")`.
pub fn wilcoxon(differences: &[f64]) -> f64 {
    let mut ordered: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0 && !d.is_nan()).collect();
    ordered.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = ordered.len();
    // Twice the ranks: those that are shared lie halfway between whole ones.
    let mut ranks: Vec<u64> = Vec::with_capacity(n);
    let mut tied = 0.0;
    for equal in ordered.chunk_by(|a, b| a.abs() == b.abs()) {
        let (before, count) = (ranks.len() as u64, equal.len() as u64);
        ranks.extend(std::iter::repeat_n(2 * before + count + 1, equal.len()));
        tied += (count as f64).powi(3) - count as f64;
    }
    let positive: u64 = ordered.iter().zip(&ranks).filter(|(d, _)| **d > 0.0).map(|(_, rank)| rank).sum();
    let smaller = positive.min(ranks.iter().sum::<u64>() - positive);
    if n <= COUNTED {
        return (2.0 * at_most(&ranks, smaller as usize)).min(1.0);
    }
    let n = n as f64;
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - tied / 2.0) / 24.0;
    let distance = n * (n + 1.0) / 4.0 - smaller as f64 / 2.0;
    if variance > 0.0 { outside_normal(distance / variance.sqrt()) } else { 1.0 }
}

/// How likely a sum of `numbers`, each of which is taken or not with equal chance, is at most `bound`.
fn at_most(numbers: &[u64], bound: usize) -> f64 {
    let mut chances = vec![0.0; bound + 1];
    chances[0] = 1.0;
    for &number in numbers {
        for sum in (0..=bound).rev() {
            let taken = sum.checked_sub(number as usize).map_or(0.0, |before| chances[before]);
            chances[sum] = (chances[sum] + taken) / 2.0;
        }
    }
    chances.iter().sum()
}

/// The probability that a standard normal variable lies farther from 0 than `z`, which isn't below 0.
fn outside_normal(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    if z < 3.0 {
        // What lies within, as a power series (Abramowitz and Stegun, 26.2.11).
        let (mut term, mut sum, mut odd) = (z, 0.0, 1.0);
        while term > 1e-18 * sum && term > 0.0 {
            sum += term;
            odd += 2.0;
            term *= z * z / odd;
        }
        return 1.0 - 2.0 * density * sum;
    }
    // What lies without, as a continued fraction (26.2.14).
    let fraction = (1..=100).rev().fold(z, |below, k| z + f64::from(k) / below);
    2.0 * density / fraction
}

/// How two models stand on the same examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Examples that only the first has right, or nearer.
    pub first: u64,
    /// Examples that only the second has right, or nearer.
    pub second: u64,
    /// The p-value of McNemar's test; of predicted numbers, of Wilcoxon's.
    pub p: f64,
}

impl Paired {
    /// Of what two models said; `None` where that isn't about the same examples.
    pub fn of(first: &Answers, second: &Answers) -> Option<Self> {
        match (first, second) {
            (Answers::Classes(one), Answers::Classes(other)) => {
                let same = one.labels == other.labels && one.classes == other.classes;
                let (first, second) = only_one_right(&one.labels, &one.predicted, &other.predicted);
                same.then(|| Paired { first, second, p: mcnemar(first, second) })
            }
            (Answers::Numbers(one), Answers::Numbers(other)) => Paired::of_numbers(one, other),
            _ => None,
        }
    }

    /// Of numbers that two models predicted; `None` where the true ones aren't the same.
    pub fn of_numbers(one: &Estimates, other: &Estimates) -> Option<Self> {
        if one.targets != other.targets {
            return None;
        }
        let (a, b) = (one.residuals(), other.residuals());
        let (first, second) = only_one_nearer(&a, &b);
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a.abs() - b.abs()).collect();
        Some(Paired { first, second, p: wilcoxon(&differences) })
    }
}

/// The p-values of several tests, raised so that all of them may be judged by one level (Holm 1979): the smallest is
/// multiplied by their number, the next by one less, and so on, none falling below the one before.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        least = least.max((p_values.len() - rank) as f64 * p_values[index]).min(1.0);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_are_those_one_counts_by_hand() {
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(7, 7), 1.0);
        // 2 (1 + 5) / 2^5
        assert!((mcnemar(1, 4) - 0.375).abs() < 1e-15);
        assert!((mcnemar(4, 1) - 0.375).abs() < 1e-15);
        assert!((mcnemar(0, 10) - 2.0 / 1024.0).abs() < 1e-17);
    }

    #[test]
    fn an_example_that_both_have_right_or_wrong_counts_for_none() {
        assert_eq!(only_one_right(&[0, 1, 2, 0, 1], &[0, 1, 0, 1, 0], &[0, 0, 0, 0, 1]), (1, 2));
        assert_eq!(only_one_right(&[], &[], &[]), (0, 0));
    }

    #[test]
    fn ranks_with_signs_are_what_one_counts_by_hand() {
        assert_eq!(wilcoxon(&[]), 1.0);
        assert_eq!(wilcoxon(&[0.0, 0.0]), 1.0);
        // One of 2^5 ways, and the same the other way round.
        assert_eq!(wilcoxon(&[1.0, 2.0, 3.0, 4.0, 5.0]), 2.0 / 32.0);
        assert_eq!(wilcoxon(&[-1.0, -2.0, -3.0, -4.0, -5.0, 0.0]), 2.0 / 32.0);
        // Sums of at most 1: none, and 1 alone.
        assert_eq!(wilcoxon(&[-1.0, 2.0, 3.0, 4.0, 5.0]), 4.0 / 32.0);
        assert_eq!(wilcoxon(&[1.0, -1.0]), 1.0);
        let many: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!(wilcoxon(&many) < 1e-30);
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_310_507_863), (1.959_963_984_540, 0.05), (3.290_526_731_492, 0.001)] {
            assert!((outside_normal(z) - p).abs() < 1e-11, "{z}");
        }
        let (below, above) = (outside_normal(3.0 - 1e-12), outside_normal(3.0));
        assert!((below / above - 1.0).abs() < 1e-10, "{below} {above}");
    }

    #[test]
    fn many_examples_neither_overflow_nor_vanish() {
        let p = mcnemar(1_000_000, 1_000_001);
        assert!(p > 0.999 && p <= 1.0, "{p}");
        assert_eq!(mcnemar(0, 1_000_000), 0.0);
    }

    #[test]
    fn several_tests_are_judged_together() {
        let close = |ours: Vec<f64>, theirs: &[f64]| {
            assert_eq!(ours.len(), theirs.len());
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12), "{ours:?}");
        };
        // R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        close(holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        close(holm(&[0.8, 0.9]), &[1.0, 1.0]);
        close(holm(&[0.2]), &[0.2]);
        close(holm(&[]), &[]);
    }
}
