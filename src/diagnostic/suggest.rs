//! "Did you mean": the known name nearest to an unknown one.

/// The candidate nearest to `word`, if one is near enough that the user probably meant it.
///
/// Case, hyphens and underscores don't count, so `MaxPooling2D` finds `max_pooling2d`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| s.to_lowercase().replace(['_', '-', ' '], "");
    let wanted = plain(word);
    // Nothing that long is a slip of ours, and comparing it takes long.
    if wanted.is_empty() || wanted.len() > 100 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| {
            let name = plain(candidate);
            let distance = strsim::damerau_levenshtein(&wanted, &name);
            // A shortened name (`conv2`, `pooling`) is nearer than its missing letters say.
            let shortened = wanted.len() >= 4 && (name.contains(&wanted) || wanted.contains(&name));
            (if shortened { distance.min(1) } else { distance }, distance, candidate)
        })
        .filter(|(near, _, _)| *near <= wanted.chars().count().div_ceil(3))
        .min_by_key(|(near, distance, _)| (*near, *distance))
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let layers = ["conv2d", "dense", "flatten", "max_pooling2d", "dropout", "rescaling"];
        for (word, want) in [
            ("conv2", Some("conv2d")),
            ("Conv2D", Some("conv2d")),
            ("MaxPooling2D", Some("max_pooling2d")),
            ("maxpool2d", Some("max_pooling2d")),
            ("dens", Some("dense")),
            ("droput", Some("dropout")),
            ("rescale", Some("rescaling")),
            ("transformer", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, layers), want, "{word}");
        }
    }
}
