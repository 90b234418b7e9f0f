//! The transpose of a convolution, which makes images larger, as Keras' `Conv2DTranspose`.
//!
//! Each pixel puts the filters, multiplied by it, around its place in the output, `stride` apart, and what lies over each other
//! is added up: `y[i * stride + u, j * stride + v, o] += kernel[c, o, u, v] * x[i, j, c]`; then bias and activation.

use super::{
    ActivationFunction, Affine, Build, Constraint, Forward, Initializer, LayerDefinition, Padding, Pair, Parameter, Pass,
    Precision, Regularizer, ShapeError,
    arguments::pair_from_zero,
    conv2d::{glorot_uniform, one, yes, zeros},
    elements, image_shape,
    initializer::of_any_shape,
    window::{Sliding, reach},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// Makes images larger by learned filters: the way back of a convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-known-as" = ["Deconvolution", "ConvTranspose2d"], "examples" = [{"filters": 8, "kernel_size": 3, "strides": 2, "padding": "same"}, {"filters": 4, "kernel_size": 2, "strides": 2, "output_padding": 1}]))]
pub struct Conv2dTranspose {
    /// How many filters: the channels of the output.
    #[schemars(range(min = 1, max = 65536))]
    #[schemars(extend("x-known-as" = ["out_channels", "num_filters"]))]
    pub filters: usize,
    /// Height and width of the filters: one number for both, or `[height, width]`.
    #[schemars(extend("x-known-as" = ["kernel", "filter_size"]))]
    pub kernel_size: Pair,
    /// How many times larger the output becomes: one number for both directions, or `[vertical, horizontal]`.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["stride"]))]
    pub strides: Pair,
    /// The distance between the elements of a filter. Not together with `strides` above 1.
    #[serde(default = "one")]
    #[schemars(extend("x-known-as" = ["dilation", "atrous_rate"]))]
    pub dilation_rate: Pair,
    /// `valid` keeps all that the filters reach; `same` cuts the border so that the size is that of the input times the strides.
    #[serde(default)]
    pub padding: Padding,
    /// Rows and columns at the lower and right end, which say which of several sizes is meant; below the strides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pair_from_zero", extend("x-default" = "as many as `padding` asks for"))]
    pub output_padding: Option<Pair>,
    /// The function applied to the output.
    #[serde(default)]
    pub activation: ActivationFunction,
    /// Whether a learned number is added to each filter's output.
    #[serde(default = "yes")]
    #[schemars(extend("x-known-as" = ["bias"]))]
    pub use_bias: bool,
    /// How the filters start.
    #[serde(default = "glorot_uniform")]
    #[schemars(schema_with = "of_any_shape")]
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

/// What is done to all that the filters reach along one axis: elements to take away before the first and behind the last;
/// below 0, zeros to put there.
#[derive(Clone, Copy)]
struct Cut {
    before: i64,
    after: i64,
}

impl Conv2dTranspose {
    fn cut(&self, axis: usize) -> Cut {
        let reach = self.reach(axis) as i64;
        let stride = self.strides.0[axis] as i64;
        let given = self.output_padding.map(|Pair(both)| both[axis] as i64);
        match self.padding {
            Padding::Valid => Cut { before: 0, after: -given.unwrap_or((stride - reach).max(0)) },
            Padding::Same => {
                // With zeros between the pixels and so many around them, it is a plain convolution.
                let around = match given {
                    None => stride + reach - 2,
                    Some(given) => reach + reach % 2 - 2 + given,
                };
                let before = (around / 2 + around % 2).min(reach - 1);
                Cut { before: reach - 1 - before, after: reach - 1 - (around - before) }
            }
        }
    }

    /// From the first to the last element of a filter.
    fn reach(&self, axis: usize) -> usize {
        reach(self.kernel_size.0[axis], self.dilation_rate.0[axis])
    }

    fn size(&self, axis: usize, input: usize) -> i64 {
        let whole = (input.max(1) - 1).saturating_mul(self.strides.0[axis]).saturating_add(self.reach(axis));
        let Cut { before, after } = self.cut(axis);
        i64::try_from(whole).unwrap_or(i64::MAX).saturating_sub(before).saturating_sub(after)
    }
}

impl LayerDefinition for Conv2dTranspose {
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let [height, width, _] = image_shape(input, "conv2d_transpose")?;
        let [rows, columns] = [self.size(0, height), self.size(1, width)];
        let output = vec![rows.max(1) as usize, columns.max(1) as usize, self.filters];
        let Conv2dTranspose { kernel_size: size, strides, dilation_rate, padding, .. } = *self;
        Sliding { size, strides, dilation_rate, padding }.check_dilation().map_err(|error| error.or(output.clone()))?;
        if let Some(Pair(given)) = self.output_padding
            && given.iter().zip(strides.0).any(|(&given, stride)| given >= stride)
        {
            let error = ShapeError::new("`output_padding` isn't below `strides`", "leave it out, or make it smaller");
            return Err(error.or(output));
        }
        if rows < 1 || columns < 1 {
            return Err(ShapeError::new("nothing is left of the image", "leave `output_padding` out").or(output));
        }
        Ok(output)
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        let Pair([height, width]) = self.kernel_size;
        let shape = [input[2], self.filters, height, width].map(|n| n as i64).to_vec();
        Parameter::new("kernel", shape, self.kernel_initializer)
            .held(self.kernel_regularizer, &self.kernel_constraint)
            .trainable(self.trainable)
            .with_bias(self.filters as i64, self.use_bias.then_some(self.bias_initializer))
    }

    fn flops(&self, input: &[usize], output: &[usize]) -> u64 {
        let window = elements(&self.kernel_size.0).saturating_mul(self.filters as u64).saturating_mul(2);
        let bias = if self.use_bias { elements(output) } else { 0 };
        elements(input).saturating_mul(window).saturating_add(bias)
    }

    fn build(&self, build: Build<'_>) -> Vec<Box<dyn Forward>> {
        self.activation.behind(Transposed {
            weights: Affine::of(build.parameters),
            strides: self.strides.0.map(|n| n as i64),
            dilation_rate: self.dilation_rate.0.map(|n| n as i64),
            cuts: [self.cut(0), self.cut(1)],
            precision: build.precision,
        })
    }

    fn is_linear(&self) -> bool {
        self.activation == ActivationFunction::Linear
    }

    fn activation(&self) -> ActivationFunction {
        self.activation
    }
}

/// The transpose of a convolution with its bias.
struct Transposed {
    /// Its kernel, in, out, height, width, and bias.
    weights: Affine,
    strides: [i64; 2],
    dilation_rate: [i64; 2],
    cuts: [Cut; 2],
    precision: Precision,
}

impl Forward for Transposed {
    fn forward(&self, x: &Tensor, _: &Pass) -> Result<Tensor, TchError> {
        let (x, Affine { kernel, bias }) = (self.precision.factor(x)?, self.weights.factors(self.precision)?);
        // libtorch cuts as much before as behind, so it cuts nothing here. What is put there in zeros gets the bias, too.
        let none = None::<&Tensor>;
        let whole = x.f_conv_transpose2d(&kernel, none, self.strides, [0, 0], [0, 0], 1, self.dilation_rate)?;
        let [rows, columns] = self.cuts;
        let amounts = [-columns.before, -columns.after, -rows.before, -rows.after];
        let cut = if amounts == [0; 4] { whole } else { whole.f_constant_pad_nd(amounts)? };
        match bias {
            None => Ok(cut),
            Some(bias) => cut.f_add(&bias.f_view([1, -1, 1, 1])?),
        }
    }
}
