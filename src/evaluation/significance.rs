//! Whether a difference between two models on the same examples is more than chance.

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
