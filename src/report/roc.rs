//! True against false positive rates of each class, and the areas under their curves.

use super::{
    Section,
    areas::{self, Kind},
    chart::Diagonal,
};
use crate::{evaluation::roc, run::Record};
use serde_json::Value;

pub(super) const SECTION: Section =
    Section { id: "roc", title: "ROC curves", template: include_str!("../../templates/sections/roc.html"), data };

fn data(record: &Record) -> Option<Value> {
    let outcome = record.evaluation.as_ref()?.results::<roc::Outcome>().next()?;
    let kind = Kind {
        id: SECTION.id,
        title: "Each class against the rest",
        area: "area under the curve",
        axes: ("false positive rate", "true positive rate"),
        diagonal: Some(Diagonal { name: "by chance", rising: true }),
        chance_is_share: false,
    };
    Some(areas::data(&outcome.0, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluation::{Roc, statistics::tests::invented},
        report::{render, sample::sample},
    };

    fn with(classes: usize) -> Record {
        let mut record = sample();
        let outcome = Roc {}.outcome(&invented(classes, 20 * classes));
        record.evaluation.as_mut().unwrap().steps = vec![outcome.into()];
        record
    }

    #[test]
    fn ten_classes_are_all_shown_and_more_are_not() {
        let ten = data(&with(10)).unwrap();
        assert_eq!(ten["chart"]["legend"].as_array().unwrap().len(), 12);
        assert_eq!((&ten["left_out"], &ten["folded"]), (&Value::Null, &false.into()));
        let many = data(&with(40)).unwrap();
        assert_eq!(many["chart"]["legend"].as_array().unwrap().len(), 12);
        assert_eq!((&many["left_out"], &many["folded"]), (&5.into(), &true.into()));
        assert!(render(&with(40)).unwrap().contains("the five worst and the five best"));
    }

    #[test]
    fn without_probabilities_it_says_so() {
        let mut record = with(3);
        let none = Roc {}.outcome(&invented(3, 0));
        record.evaluation.as_mut().unwrap().steps = vec![none.into()];
        assert!(render(&record).unwrap().contains("probabilities that are not numbers"));
    }
}
