//! All that a training remembers between two steps, and the files that keep it.

use super::{
    Training,
    callback_list::{CallbackList, copies},
    epoch::Epoch,
    loss_scale::LossScale,
};
use crate::{
    diagnostic::{Code, Diagnostic, Result},
    exact::Exact,
    model::{Model, NamedParameter, computation, fill_tensors, tensors_bytes, weights_bytes},
    optimizer::{self, Slot, Update},
    run::{
        EpochRecord,
        checkpoint::{Files, POSITION, Position, position},
    },
};
use tch::{TchError, Tensor};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const BEST: &str = "best.safetensors";

/// What a training remembers besides the model's weights.
pub(super) struct State {
    pub optimizer: Update,
    /// What the loss is multiplied by, where it is.
    pub scale: Option<LossScale>,
    /// All optimizer steps done.
    pub steps: u64,
    pub callbacks: CallbackList,
    /// The epochs that are done.
    pub history: Vec<EpochRecord>,
    /// The epoch under way.
    pub epoch: Epoch,
}

/// What is wrong with a checkpoint, as an error.
fn unfit(reason: &str) -> Box<Diagnostic> {
    let problem = Diagnostic::error(Code::BAD_RUN, format!("the checkpoint doesn't fit the pipeline: {reason}"));
    Box::new(problem.help("begin a new run"))
}

impl State {
    /// That of a training that hasn't begun.
    pub fn new(training: &Training<'_>) -> Self {
        let spec = &training.pipeline.training;
        let trained = |parameter: &NamedParameter| optimizer::Parameter {
            name: parameter.name.clone(),
            tensor: parameter.tensor.shallow_clone(),
            factor: optimizer::factor(&spec.parameter_groups, &parameter.name),
        };
        let parameters = training.model.trainable().map(trained).collect();
        State {
            optimizer: Update::new(&spec.optimizer, parameters),
            scale: LossScale::of(training.pipeline.precision),
            steps: 0,
            callbacks: CallbackList::start(training.pipeline),
            history: Vec::new(),
            epoch: Epoch::new(training),
        }
    }

    /// Goes on from what was kept, the model's weights included; with `other_callbacks`, these begin anew.
    ///
    /// # Errors
    /// Where it isn't sound, or is of another training.
    pub fn restore(&mut self, files: &Files, training: &Training<'_>, other_callbacks: bool) -> Result<()> {
        let model = training.model;
        let file = |name: &str| files.get(name).ok_or_else(|| unfit(&format!("it lacks `{name}`")));
        let position = position(files).ok_or_else(|| unfit(&format!("`{POSITION}` is missing or damaged")))?;
        fill_tensors(file(MODEL)?, weights(model)).map_err(|reason| unfit(&reason))?;
        fill_tensors(file(OPTIMIZER)?, self.optimizer_tensors(model)).map_err(|reason| unfit(&reason))?;
        if let Some(scale) = &mut self.scale {
            scale.go_on_from(&position);
        }
        self.optimizer.go_on_after(position.steps - self.scale.map_or(0, LossScale::skipped).min(position.steps));
        if let Some(epoch) = position.best_epoch {
            let best = copies(model);
            let named = weights(model).map(|(name, _)| name).zip(&best);
            fill_tensors(file(BEST)?, named).map_err(|reason| unfit(&reason))?;
            self.callbacks.best = Some((epoch, best));
        }
        if !other_callbacks {
            if !self.callbacks.recall(&position.callbacks) {
                return Err(unfit("it has other callbacks"));
            }
            // One that stopped early is over, even where there may be more epochs now.
            self.callbacks.stop_reason =
                position.stopped_early.then(|| position.stop_reason.clone().unwrap_or_default());
        }
        let sums: Vec<f64> = position.sums.iter().map(|sum| sum.0).collect();
        if !self.epoch.figures.go_on_from(&sums, position.examples, files) {
            return Err(unfit("it has other figures"));
        }
        if let Some(norms) = &mut self.epoch.norms {
            let sums: Vec<f64> = position.gradient_norms.iter().map(|sum| sum.0).collect();
            if !norms.go_on_from(&sums) {
                return Err(unfit("it has the gradients of other layers"));
            }
        }
        if position.history.len() != position.epochs {
            return Err(unfit("it has another number of epochs"));
        }
        if position.step > training.steps_per_epoch() {
            return Err(unfit("it is further than an epoch goes"));
        }
        self.epoch.go_on_from(&position);
        self.steps = position.steps;
        self.callbacks.rate_factor = position.rate_factor.map_or(1.0, |factor| factor.0);
        self.history = position.history;
        Ok(())
    }

    /// All that it takes to go on from here, the weights of `model` included.
    ///
    /// # Errors
    /// Where libtorch fails.
    pub fn files(&self, model: &Model) -> Result<Files> {
        let failed = |error: TchError| computation(&error, "keeping a checkpoint");
        let State { scale, steps, callbacks, history, epoch, .. } = self;
        let position = Position {
            format: 1,
            epochs: history.len(),
            step: epoch.step,
            steps: *steps,
            sums: epoch.figures.sums().iter().map(|sum| Exact(*sum)).collect(),
            examples: epoch.figures.examples(),
            gradient_norms: epoch.norms.iter().flat_map(|it| it.sums()).map(|sum| Exact(*sum)).collect(),
            seconds: if epoch.step > 0 { epoch.elapsed() } else { 0.0 },
            data_wait_seconds: epoch.data_wait_seconds,
            stopped_early: callbacks.stop_reason.is_some(),
            stop_reason: callbacks.stop_reason.clone(),
            rate_factor: (callbacks.rate_factor != 1.0).then_some(Exact(callbacks.rate_factor)),
            loss_scale: scale.map(LossScale::kept),
            best_epoch: callbacks.best.as_ref().map(|(epoch, _)| *epoch),
            callbacks: callbacks.memories(),
            history: history.clone(),
        };
        let mut files: Files = epoch.figures.remembered().collect();
        files.insert(POSITION.to_owned(), serde_json::to_vec(&position).expect("a position is plain data"));
        files.insert(MODEL.to_owned(), weights_bytes(model).map_err(failed)?);
        files.insert(OPTIMIZER.to_owned(), tensors_bytes(self.optimizer_tensors(model)).map_err(failed)?);
        if let Some((_, best)) = &callbacks.best {
            let named = weights(model).map(|(name, _)| name).zip(best);
            files.insert(BEST.to_owned(), tensors_bytes(named).map_err(failed)?);
        }
        Ok(files)
    }

    /// What the optimizer remembers, such as `conv2d_1.kernel.first_moment`.
    fn optimizer_tensors(&self, model: &Model) -> impl Iterator<Item = (String, &Tensor)> {
        let names: Vec<String> = model.trainable().map(|parameter| parameter.name.clone()).collect();
        let slots = self.optimizer.slots().into_iter();
        slots.map(move |Slot { parameter, name, values }| (format!("{}.{name}", names[parameter]), values))
    }
}

fn weights(model: &Model) -> impl Iterator<Item = (String, &Tensor)> {
    model.parameters().iter().map(|parameter| (parameter.name.clone(), &parameter.tensor))
}
