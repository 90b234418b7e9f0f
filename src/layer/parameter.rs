//! The tensors that layers keep: how they are stored, how they start, what holds them in bounds.

use super::{Constraint, Initializer, Regularizer, ShapeError, as_computed, as_stored, initializer::Distribution};
use tch::{TchError, Tensor};

/// A tensor that a layer keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name within the layer: `kernel`.
    pub name: &'static str,
    /// Its shape as it is stored: OIHW for kernels of convolutions, OI for dense ones.
    pub shape: Vec<i64>,
    /// How it starts.
    pub initializer: Initializer,
    /// Whether the optimizer changes it; what else is stored follows the data, such as moving averages.
    pub trainable: bool,
    /// Whether it follows each batch, or the part of it that a process sees: several processes take the mean of theirs.
    pub follows_parts: bool,
    /// What its size costs in training.
    pub regularizer: Option<Regularizer>,
    /// What it is brought back to after each step.
    pub constraint: Option<Constraint>,
    /// How Keras has it.
    pub layout: Layout,
}

/// How Keras has a parameter that is stored as libtorch computes with it. Initializers and constraints follow Keras' axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// HWIO for OIHW, IO for OI; vectors as they are.
    #[default]
    Usual,
    /// A kernel with so many filters for each channel: `[height, width, in, multiplier]` for `[in * multiplier, 1, height, width]`.
    Depthwise(i64),
    /// A kernel from features to so many heads: `[in, heads, out]` for `[heads * out, in]`; biases are `[heads, out]`.
    ToHeads(i64),
    /// A kernel from so many heads back to features: `[heads, in, out]` for `[out, heads * in]`.
    FromHeads(i64),
    /// The same axes in the same order.
    Same,
}

impl Parameter {
    /// One that is trained.
    pub fn new(name: &'static str, shape: Vec<i64>, initializer: Initializer) -> Self {
        let (regularizer, constraint, layout) = (None, None, Layout::Usual);
        Parameter { name, shape, initializer, trainable: true, follows_parts: false, regularizer, constraint, layout }
    }

    /// One that isn't trained and follows what a process sees of each batch, where `each_part` does.
    pub fn moving(name: &'static str, shape: Vec<i64>, initializer: Initializer, each_part: bool) -> Self {
        Parameter { trainable: false, follows_parts: each_part, ..Self::new(name, shape, initializer) }
    }

    /// The same, which Keras has with other axes.
    pub fn laid_out(self, layout: Layout) -> Self {
        Parameter { layout, ..self }
    }

    /// The same, trained or not.
    pub fn trainable(self, trainable: bool) -> Self {
        Parameter { trainable, ..self }
    }

    /// The same, held in bounds.
    pub fn held(self, regularizer: Option<Regularizer>, constraint: &Option<Constraint>) -> Self {
        Parameter { regularizer, constraint: constraint.clone(), ..self }
    }

    /// The learned factor and the learned mean of a normalization, for each of the channels of `input`, where they begin in some way.
    pub fn gamma_and_beta(
        input: &[usize],
        scale: Option<Initializer>,
        center: Option<Initializer>,
        trainable: bool,
    ) -> Vec<Self> {
        let shape = vec![input.last().copied().unwrap_or(1) as i64];
        let parameter = |name, initializer| Self::new(name, shape.clone(), initializer).trainable(trainable);
        let gamma = scale.map(|initializer| parameter("gamma", initializer));
        gamma.into_iter().chain(center.map(|initializer| parameter("beta", initializer))).collect()
    }

    /// A kernel and, where it begins in some way, the bias of so many outputs, trained as the kernel is.
    pub fn with_bias(self, outputs: i64, initializer: Option<Initializer>) -> Vec<Self> {
        let trainable = self.trainable;
        let bias = initializer.map(|initializer| Self::new("bias", vec![outputs], initializer).trainable(trainable));
        std::iter::once(self).chain(bias).collect()
    }

    /// Whether what is said of its axes fits its shape.
    ///
    /// # Errors
    /// Where it doesn't.
    pub fn check(&self) -> Result<(), ShapeError> {
        let (name, axes) = (self.name, self.shape.len());
        if axes < 2 && matches!(self.initializer, Initializer::Parametrised(Distribution::Orthogonal(_))) {
            let message = format!("`orthogonal` makes matrices, and `{name}` is a vector");
            return Err(ShapeError::new(message, "take another initializer"));
        }
        let named = self.constraint.as_ref().map_or(&[][..], |constraint| constraint.axes());
        if let Some(axis) = named.iter().find(|&&axis| axis >= axes) {
            let message = format!("`{name}` has {axes} axes, 0 to {}, and no axis {axis}", axes - 1);
            return Err(ShapeError::new(message, "`axis: 0` stands for the inputs of a dense unit"));
        }
        if (1..named.len()).any(|at| named[..at].contains(&named[at])) {
            let message = format!("`axis` names an axis of `{name}` twice");
            return Err(ShapeError::new(message, "name each axis once"));
        }
        Ok(())
    }

    /// The values that it starts with, as it is stored; the same for the same seed and name.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn draw(&self, seed: u64, name: &str) -> Result<Tensor, TchError> {
        let drawn = match (self.layout, self.shape.as_slice()) {
            (Layout::Depthwise(multiplier), &[filters, one, height, width]) => {
                let shape = [multiplier, filters / multiplier, height, width];
                let values = Tensor::f_from_slice(&self.initializer.draw(&shape, seed, name))?.f_view(shape)?;
                values.f_transpose(0, 1)?.f_reshape([filters, one, height, width])?
            }
            // Keras takes the first axis of a kernel with three for the size of a window.
            (Layout::ToHeads(heads), &[outputs, inputs]) => {
                let values = self.initializer.draw(&[outputs / heads, heads, inputs], seed, name);
                let split = Tensor::f_from_slice(&values)?.f_view([outputs / heads, heads, inputs])?;
                split.f_transpose(0, 1)?.f_reshape([outputs, inputs])?
            }
            (Layout::FromHeads(heads), &[outputs, inputs]) => {
                let values = self.initializer.draw(&[outputs, inputs / heads, heads], seed, name);
                let split = Tensor::f_from_slice(&values)?.f_view([outputs, inputs / heads, heads])?;
                split.f_transpose(1, 2)?.f_reshape([outputs, inputs])?
            }
            (Layout::Same, &[rows, columns]) => {
                let values = self.initializer.draw(&[columns, rows], seed, name);
                Tensor::f_from_slice(&values)?.f_view([columns, rows])?.f_transpose(0, 1)?
            }
            (_, shape) => Tensor::f_from_slice(&self.initializer.draw(shape, seed, name))?.f_view(shape)?,
        };
        // Kernels of convolutions lie in memory as the images do.
        as_computed(&as_stored(&drawn)?)
    }
}

impl Layout {
    /// `stored` with the axes that Keras has.
    fn of_keras(self, stored: &Tensor) -> Result<Tensor, TchError> {
        match (self, stored.size().as_slice()) {
            (Layout::Depthwise(multiplier), &[filters, _, height, width]) => {
                let split = stored.f_reshape([filters / multiplier, multiplier, height, width])?;
                split.f_permute([2, 3, 0, 1])
            }
            (Layout::ToHeads(heads), &[outputs, inputs]) => {
                stored.f_transpose(0, 1)?.f_reshape([inputs, heads, outputs / heads])
            }
            (Layout::FromHeads(heads), &[outputs, inputs]) => {
                stored.f_transpose(0, 1)?.f_reshape([heads, inputs / heads, outputs])
            }
            (Layout::Same, _) => Ok(stored.shallow_clone()),
            (_, [_, _, _, _]) => stored.f_permute([2, 3, 1, 0]),
            (_, [_, _]) => stored.f_transpose(0, 1),
            _ => Ok(stored.shallow_clone()),
        }
    }

    /// `keras`, with the axes that Keras has, as it is stored: of this size.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn as_stored(self, keras: &Tensor, size: &[i64]) -> Result<Tensor, TchError> {
        match (self, size.len()) {
            (Layout::Depthwise(_), _) => keras.f_permute([2, 3, 0, 1])?.f_reshape(size),
            (Layout::ToHeads(_) | Layout::FromHeads(_), 2) => keras.f_reshape([size[1], size[0]])?.f_transpose(0, 1),
            (Layout::ToHeads(_), _) => keras.f_reshape(size),
            (Layout::Same, _) => Ok(keras.shallow_clone()),
            (_, 4) => keras.f_permute([3, 2, 0, 1]),
            (_, 2) => keras.f_transpose(0, 1),
            _ => Ok(keras.shallow_clone()),
        }
    }

    /// Brings `stored` back to what `constraint` allows.
    ///
    /// # Errors
    /// What libtorch reports.
    pub fn constrain(self, stored: &Tensor, constraint: &Constraint) -> Result<(), TchError> {
        let held = constraint.apply(&self.of_keras(&stored.f_detach()?)?)?;
        stored.f_detach()?.f_copy_(&self.as_stored(&held, &stored.size())?).map(|_| ())
    }
}
