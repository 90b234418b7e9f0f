//! What a model said of the examples of a split, whatever was to be predicted.

use super::{Estimates, Predictions};

/// What a model said of every example of a split.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// Which class it is of.
    Classes(Predictions),
    /// A number.
    Numbers(Estimates),
}

static NO_PREDICTIONS: Predictions =
    Predictions { classes: Vec::new(), labels: Vec::new(), predicted: Vec::new(), probabilities: Vec::new() };
static NO_ESTIMATES: Estimates = Estimates { targets: Vec::new(), predicted: Vec::new() };

impl Answers {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.predictions().len() + self.estimates().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The predicted classes; of no example where numbers were to be predicted.
    pub fn predictions(&self) -> &Predictions {
        match self {
            Answers::Classes(predictions) => predictions,
            Answers::Numbers(_) => &NO_PREDICTIONS,
        }
    }

    /// The predicted numbers; of no example where classes were to be predicted.
    pub fn estimates(&self) -> &Estimates {
        match self {
            Answers::Classes(_) => &NO_ESTIMATES,
            Answers::Numbers(estimates) => estimates,
        }
    }

    /// What it said of the examples `from` to `to`, the latter not among them.
    pub fn part(&self, from: usize, to: usize) -> Self {
        match self {
            Answers::Classes(all) => {
                let classes = all.classes.len();
                Answers::Classes(Predictions {
                    classes: all.classes.clone(),
                    labels: all.labels[from..to].to_vec(),
                    predicted: all.predicted[from..to].to_vec(),
                    probabilities: all.probabilities[from * classes..to * classes].to_vec(),
                })
            }
            Answers::Numbers(all) => Answers::Numbers(Estimates {
                targets: all.targets[from..to].to_vec(),
                predicted: all.predicted[from..to].to_vec(),
            }),
        }
    }
}

impl From<Predictions> for Answers {
    fn from(predictions: Predictions) -> Self {
        Answers::Classes(predictions)
    }
}

impl From<Estimates> for Answers {
    fn from(estimates: Estimates) -> Self {
        Answers::Numbers(estimates)
    }
}
