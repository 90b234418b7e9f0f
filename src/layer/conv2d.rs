//! Two-dimensional convolution (cross-correlation, as everywhere in deep learning), as Keras' `Conv2D`.
//!
//! `y[i, j, o] = activation(bias[o] + sum over u, v, c of kernel[o, c, u, v] * x[i * stride + u, j * stride + v, c])`
//!
//! `[height, width, channels]` becomes `[height', width', filters]`.

use super::{
    ActivationFunction, Affine, Build, Constraint, Forward, Initializer, LayerDefinition, Operator, Padding, Pair, Parameter, Pass,
    Precision, Regularizer, ShapeError, elements, image_shape, initializer::of_any_shape, window::Sliding,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

pub(super) fn one() -> Pair {
    Pair([1, 1])
}

pub(super) fn one_group() -> usize {
    1
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn glorot_uniform() -> Initializer {
    Initializer::GlorotUniform
}

pub(super) fn zeros() -> Initializer {
    Initializer::Zeros
}

/// What to do about windows that are larger than the image.
pub(super) const DOES_NOT_FIT: &str = "`padding: same` keeps the size; or remove a pooling before it";

/// Slides learned filters over images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Convolution2D", "conv"], "examples" = [{"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}, {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "groups": 3}]))]
pub struct Conv2d {
    /// How many filters: the channels of the output.
    #[schemars(range(min = 1, max = 65536))]
    #[schemars(extend("x-known-as" = ["out_channels", "num_filters"]))]
    pub filters: usize,
    /// Height and width of the filters: one number for both, or `[height, width]`.
    #[schemars(extend("x-known-as" = ["kernel", "filter_size"]))]
    pub kernel_size: Pair,
    /// The distance between windows: one number for both directions, or `[vertical, horizontal]`.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["stride"]))]
    pub strides: Pair,
    /// The distance between the elements of a filter: with 2, every other pixel of a larger window counts. Not together with
    /// `strides` above 1.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["dilation", "atrous_rate"]))]
    pub dilation_rate: Pair,
    /// Into how many groups channels and filters are divided: the filters of a group see only the channels of theirs. Both
    /// numbers must be multiples of it.
    #[serde(default = "one_group")]
    #[schemars(range(min = 1, max = 65536))]
    pub groups: usize,
    /// `valid` uses only windows within the image; `same` pads with zeros so that the size stays (divided by the strides).
    #[serde(default)]
    pub padding: Padding,
    /// The function applied to the output.
    #[serde(default)]
    pub activation: ActivationFunction,
    /// Whether a learned number is added to each filter's output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the filters start.
    #[serde(default = "glorot_uniform")]
    pub kernel_initializer: Initializer,
    /// How the biases start.
    #[serde(default = "zeros")]
    #[schemars(schema_with = "of_any_shape")]
    pub bias_initializer: Initializer,
    /// What large weights of the filters cost; it is added to the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Regularizer", extend("x-default" = "nothing"))]
    pub kernel_regularizer: Option<Regularizer>,
    /// What the filters are brought back to after each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Constraint", extend("x-default" = "nothing"))]
    pub kernel_constraint: Option<Constraint>,
    /// Whether training changes the layer.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["requires_grad", "frozen"]))]
    pub trainable: bool,
}

impl Conv2d {
    fn sliding(&self) -> Sliding {
        let Conv2d { kernel_size: size, strides, dilation_rate, padding, .. } = *self;
        Sliding { size, strides, dilation_rate, padding }
    }

    /// Every group has as many channels and filters.
    fn can_group(&self, channels: usize) -> Result<(), ShapeError> {
        for (count, what) in [(channels, "channels that reach the layer"), (self.filters, "`filters`")] {
            if !count.is_multiple_of(self.groups) {
                return Err(ShapeError::new(
                    format!("{count} {what} can't be divided into {} groups", self.groups),
                    "make `groups` a divisor of both, the channels and `filters`",
                ));
            }
        }
        Ok(())
    }

    /// Each principal component of a window makes two filters.
    fn can_whiten(&self, input: &[usize]) -> Result<(), ShapeError> {
        if self.kernel_initializer != Initializer::Whitening {
            return Ok(());
        }
        if self.groups > 1 {
            return Err(ShapeError::new("`whitening` makes filters that see all channels", "leave `groups` at 1"));
        }
        let Pair([height, width]) = self.kernel_size;
        let most = 2 * height * width * input[2];
        if self.filters.is_multiple_of(2) && self.filters <= most {
            return Ok(());
        }
        let why = if self.filters > most { format!("of windows of {height}x{width}x{}", input[2]) } else { "in pairs".into() };
        Err(ShapeError::new(
            format!("`whitening` cannot make {} filters {why}", self.filters),
            format!("make `filters` an even number, at most {most}"),
        ))
    }
}

impl LayerDefinition for Conv2d {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [.., channels] = image_shape(input, "conv2d")?;
        let sliding = self.sliding();
        let [rows, columns] = sliding.count(input, self.filters, DOES_NOT_FIT)?;
        let output = vec![rows, columns, self.filters];
        let sound = sliding.check_dilation().and_then(|()| self.can_group(channels));
        sound.and_then(|()| self.can_whiten(input)).map_err(|error| error.or(output.clone()))?;
        Ok(output)
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let Pair([height, width]) = self.kernel_size;
        let shape = [self.filters, input[2] / self.groups, height, width].map(|n| n as i64).to_vec();
        Parameter::new("kernel", shape, self.kernel_initializer)
            .held(self.kernel_regularizer, &self.kernel_constraint)
            .trainable(self.trainable)
            .with_bias(self.filters as i64, self.use_bias.then_some(self.bias_initializer))
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let window = elements(&self.kernel_size.0).saturating_mul((input[2] / self.groups) as u64);
        elements(output).saturating_mul(window.saturating_mul(2).saturating_add(self.use_bias.into()))
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        let weights = Affine::of(build.parameters);
        let convolution = Convolution::new(weights, &self.sliding(), self.groups, build.input, build.precision);
        self.activation.behind(convolution)
    }

    fn is_linear(&self) -> bool {
        self.activation == ActivationFunction::Linear
    }

    fn activation(&self) -> ActivationFunction {
        self.activation
    }
}

/// A convolution with its bias.
pub struct Convolution {
    /// Its kernel, OIHW, and bias.
    pub weights: Affine,
    strides: [i64; 2],
    padding: [i64; 2],
    /// Left, right, top, bottom, where libtorch's even padding can't express it.
    uneven_padding: Option<[i64; 4]>,
    dilation_rate: [i64; 2],
    groups: i64,
    /// Height, width and channels of what reaches it.
    pub input: [usize; 3],
    precision: Precision,
}

impl Convolution {
    pub(super) fn new(
        weights: Affine,
        sliding: &Sliding,
        groups: usize,
        input: &[usize],
        precision: Precision,
    ) -> Self {
        let padded = sliding.padded(input);
        let [left, right, top, bottom] = padded;
        let even = left == right && top == bottom;
        Convolution {
            weights,
            strides: sliding.strides.0.map(|n| n as i64),
            padding: if even { [top, left] } else { [0, 0] },
            uneven_padding: (!even).then_some(padded),
            dilation_rate: sliding.dilation_rate.0.map(|n| n as i64),
            groups: groups as i64,
            input: input.try_into().expect("the check lets only images through"),
            precision,
        }
    }

    /// The same with other weights.
    pub fn with(&self, weights: Affine) -> Self {
        Convolution { weights, ..*self }
    }

    /// Whether it multiplies numbers of 32 bits.
    pub fn is_float32(&self) -> bool {
        self.precision.multiplies_32_bits()
    }

    /// Whether square windows of so many rows lie at every place; then, how many zeros are put around the image.
    pub fn plain(&self, rows: i64) -> Option<usize> {
        let plain = self.weights.kernel.size()[2..] == [rows, rows]
            && self.strides == [1, 1]
            && self.dilation_rate == [1, 1]
            && self.groups == 1
            && self.uneven_padding.is_none();
        let border = (self.padding[0] == self.padding[1]).then_some(self.padding[0] as usize);
        border.filter(|_| plain)
    }
}

/// The gradient of the bias, `[filters]`, from that of the output, `[batch, height, width, filters]`.
///
/// # Errors
/// What libtorch reports.
pub fn bias_gradient(of_output: &Tensor) -> Result<Tensor, TchError> {
    of_output.f_sum_dim_intlist([0i64, 1, 2].as_slice(), false, tch::Kind::Float)
}

impl Forward for Convolution {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let padded = self.uneven_padding.map(|amounts| x.f_constant_pad_nd(amounts)).transpose()?;
        let x = self.precision.factor(padded.as_ref().unwrap_or(x))?;
        let Affine { kernel, bias } = self.weights.factors(self.precision)?;
        x.f_conv2d(&kernel, bias.as_ref(), self.strides, self.padding, self.dilation_rate, self.groups)
    }

    fn operator(&self) -> Operator<'_> {
        Operator::Convolution(self)
    }
}
