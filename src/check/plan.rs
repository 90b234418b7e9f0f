//! The layers with their names, shapes, parameters and operations, computed without a tensor.

use crate::{
    diagnostic::{Code, Diagnostic, SourceMap},
    evaluation::LayerShape,
    layer::{Block, FLOAT_BYTES, Layer, Parameter, ShapeError, Structure, display_shape, elements},
    path,
    run::LayerRow,
    source::Form,
    spec::{load::Sound, tree::Step},
};
use std::collections::{HashMap, HashSet};

/// No model has more layers, those within others and repeated ones counted.
const MAX_LAYERS: usize = 10_000;
/// No example becomes more numbers on its way: 16 GiB.
const MAX_ELEMENTS: u64 = 1 << 32;

/// A model's layers, planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What an example is.
    pub input: Form,
    /// The layers, in order.
    pub layers: Vec<PlannedLayer>,
}

/// A layer with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedLayer {
    /// Its name, shape and costs.
    pub row: LayerRow,
    /// The shape that reaches it.
    pub input: Vec<usize>,
    /// The layers within it: a list for each repetition, or for each of the rows side by side.
    pub blocks: Vec<Vec<PlannedLayer>>,
}

impl Plan {
    /// Plans `layers` for examples of the form `input`.
    ///
    /// # Errors
    /// The first layer that cannot take what reaches it.
    pub fn new(layers: &[Layer], input: impl Into<Form>) -> Result<Self, ShapeError> {
        let input = input.into();
        let mut walk = Walk::new(&|_| (0, None));
        let planned = walk.row(layers, &[], &input.shape());
        match walk.troubles.into_iter().next() {
            None => Ok(Plan { input, layers: planned.map(|(layers, _)| layers).unwrap_or_default() }),
            Some(trouble) => Err(trouble.error),
        }
    }

    /// The shape that leaves the last layer, without the batch.
    pub fn output(&self) -> &[usize] {
        self.layers.last().map_or(&[], |layer| &layer.row.output_shape)
    }

    /// What leaves each of `layers`, which are those planned, in the order in which they compute. Repetitions have no output of
    /// their own.
    pub fn outputs(&self, layers: &[Layer]) -> Vec<LayerShape> {
        fn collect(layers: &[Layer], planned: &[PlannedLayer], all: &mut Vec<LayerShape>) {
            for (layer, planned) in layers.iter().zip(planned) {
                match layer.structure() {
                    Structure::Computation => {}
                    Structure::Repeat(_, block) => {
                        planned.blocks.iter().for_each(|turn| collect(block.layers, turn, all));
                        continue;
                    }
                    Structure::Parallel(blocks, _) => {
                        blocks.iter().zip(&planned.blocks).for_each(|(block, row)| collect(block.layers, row, all));
                    }
                }
                all.push(LayerShape {
                    name: planned.row.name.clone(),
                    shape: planned.row.output_shape.clone(),
                    has_weights: planned.row.parameters > 0,
                });
            }
        }
        let mut all = Vec::new();
        collect(layers, &self.layers, &mut all);
        all
    }

    /// The parameters of `layers`, which are those planned, by name and in the order in which a model has them.
    pub fn parameters(&self, layers: &[Layer]) -> Vec<(String, Parameter)> {
        fn collect(layers: &[Layer], planned: &[PlannedLayer], all: &mut Vec<(String, Parameter)>) {
            for (layer, planned) in layers.iter().zip(planned) {
                let own = layer.parameters(&planned.input).into_iter();
                all.extend(own.map(|own| (format!("{}.{}", planned.row.name, own.name), own)));
                match layer.structure() {
                    Structure::Computation => {}
                    Structure::Repeat(_, block) => {
                        planned.blocks.iter().for_each(|turn| collect(block.layers, turn, all));
                    }
                    Structure::Parallel(blocks, _) => {
                        blocks.iter().zip(&planned.blocks).for_each(|(block, row)| collect(block.layers, row, all));
                    }
                }
            }
        }
        let mut all = Vec::new();
        collect(layers, &self.layers, &mut all);
        all
    }

    /// The table of all layers, each before those within it.
    pub fn rows(&self) -> Vec<LayerRow> {
        fn collect(layers: &[PlannedLayer], rows: &mut Vec<LayerRow>) {
            for layer in layers {
                rows.push(layer.row.clone());
                layer.blocks.iter().for_each(|block| collect(block, rows));
            }
        }
        let mut rows = Vec::new();
        collect(&self.layers, &mut rows);
        rows
    }

    /// The sum of a cost over all layers.
    pub fn total(&self, cost: impl Fn(&LayerRow) -> u64) -> u64 {
        self.rows().iter().fold(0, |sum: u64, row| sum.saturating_add(cost(row)))
    }

    /// The most bytes of one example that an evaluation holds at once: what goes into a layer and what comes out.
    pub fn widest(&self) -> u64 {
        fn widest(layers: &[PlannedLayer]) -> u64 {
            let own = |layer: &PlannedLayer| elements(&layer.input).saturating_add(elements(&layer.row.output_shape));
            let inner = |layer: &PlannedLayer| layer.blocks.iter().map(|block| widest(block)).max().unwrap_or(0);
            layers.iter().map(|layer| own(layer).max(inner(layer))).max().unwrap_or(0)
        }
        widest(&self.layers).saturating_mul(FLOAT_BYTES)
    }

    /// What a training step holds in memory at once.
    pub fn memory(&self, batch: usize, optimizer_numbers: u64) -> Memory {
        let weights = self.total(|row| row.parameters).saturating_mul(FLOAT_BYTES);
        // Bytes come in and are rescaled to numbers, which the first layer's row counts. On the way back the gradients of
        // what goes into a layer and what comes out of it exist at once.
        let kept = self.total(|row| row.activation_bytes).saturating_add(self.input.bytes() as u64);
        let largest = self.rows().iter().map(|row| elements(&row.output_shape)).max().unwrap_or(0);
        let activations = kept.saturating_add(largest.saturating_mul(2 * FLOAT_BYTES));
        Memory {
            weights,
            gradients: weights,
            optimizer: weights.saturating_mul(optimizer_numbers),
            activations: activations.saturating_mul(batch as u64),
        }
    }
}

/// Bytes that a training step holds at once; an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// The parameters.
    pub weights: u64,
    /// A gradient for each of them.
    pub gradients: u64,
    /// What the optimizer remembers of each of them.
    pub optimizer: u64,
    /// What the way back needs of the way forward, and the gradients on the way, for a whole batch.
    pub activations: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        [self.gradients, self.optimizer, self.activations].iter().fold(self.weights, |sum, &n| sum.saturating_add(n))
    }
}

/// A layer that cannot take what reaches it.
struct Trouble {
    /// The way to the layer from `model.layers`, or to the preset around it.
    path: Vec<Step>,
    /// What the layer is, where it was written by a preset.
    within: Option<&'static str>,
    /// The shape that reaches it.
    shape: Vec<usize>,
    error: ShapeError,
}

/// The line that a layer is written in, from 1, and the file, where it isn't the pipeline's own.
type Written = (usize, Option<String>);

/// The way to a row of layers within the layer at `path`.
pub(in crate::check) fn below(path: &[Step], layer: &Layer, block: &Block<'_>) -> Vec<Step> {
    let mut below = [path, path![layer.name(), block.key]].concat();
    below.extend(block.index.map(Step::Index));
    below
}

struct Walk<'a> {
    written: &'a dyn Fn(&[Step]) -> Written,
    /// How often each kind of layer, or given name, was named, and all names.
    seen: HashMap<String, usize>,
    taken: HashSet<String>,
    count: usize,
    /// The way to the preset whose layers are planned.
    preset: Option<Vec<Step>>,
    troubles: Vec<Trouble>,
}

impl<'a> Walk<'a> {
    fn new(written: &'a dyn Fn(&[Step]) -> Written) -> Self {
        Walk { written, seen: HashMap::new(), taken: HashSet::new(), count: 0, preset: None, troubles: Vec::new() }
    }

    /// Its own name, or one as Keras gives it, `conv2d`, `conv2d_1`, ...: the first that is free.
    fn name(&mut self, layer: &Layer) -> String {
        let base = layer.given_name().unwrap_or(layer.name());
        let count = self.seen.entry(base.to_owned()).or_default();
        loop {
            let name = if *count == 0 { base.to_owned() } else { format!("{base}_{count}") };
            *count += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    fn trouble(&mut self, layer: &Layer, path: &[Step], shape: &[usize], error: ShapeError) -> Option<Vec<usize>> {
        let within = self.preset.is_some().then(|| layer.name());
        // What is wrong with a preset is told once.
        let recovery = error.recovery.clone().filter(|_| within.is_none());
        let path = self.preset.as_deref().unwrap_or(path).to_vec();
        self.troubles.push(Trouble { path, within, shape: shape.to_vec(), error });
        recovery
    }

    /// Follows `input` through layers in a row; nothing where the shapes are lost on the way.
    fn row(&mut self, layers: &[Layer], path: &[Step], input: &[usize]) -> Option<(Vec<PlannedLayer>, Vec<usize>)> {
        let mut shape = input.to_vec();
        let mut planned = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let path = [path, path![index]].concat();
            self.count += 1;
            if self.count > MAX_LAYERS {
                let error = ShapeError {
                    message: format!("more than {MAX_LAYERS} layers, repeated ones counted"),
                    help: "repeat less".to_owned(),
                    recovery: None,
                };
                self.trouble(layer, &path, &shape, error);
                return None;
            }
            let (planned_layer, output) = self.layer(layer, &path, &shape)?;
            if elements(&output) > MAX_ELEMENTS {
                let error = ShapeError {
                    message: format!("one example becomes {}, more than any machine holds", display_shape(&output)),
                    help: "make the layer smaller".to_owned(),
                    recovery: None,
                };
                self.trouble(layer, &path, &shape, error);
                return None;
            }
            planned.extend(planned_layer);
            shape = output;
        }
        Some((planned, shape))
    }

    /// Plans one layer; where it cannot be planned, only the shape that probably leaves it.
    fn layer(&mut self, layer: &Layer, path: &[Step], input: &[usize]) -> Option<(Option<PlannedLayer>, Vec<usize>)> {
        let is_outermost = self.preset.is_none() && layer.stands_for().is_some();
        if is_outermost {
            self.preset = Some(path.to_vec());
        }
        let planned = self.layer_itself(layer, path, input);
        if is_outermost {
            self.preset = None;
        }
        planned
    }

    fn layer_itself(
        &mut self,
        layer: &Layer,
        path: &[Step],
        input: &[usize],
    ) -> Option<(Option<PlannedLayer>, Vec<usize>)> {
        let name = self.name(layer);
        let below = |block: &Block<'_>| below(path, layer, block);
        let mut blocks = Vec::new();
        let output = match layer.structure() {
            Structure::Computation => layer.output_shape(input),
            Structure::Repeat(times, block) => {
                let mut shape = input.to_vec();
                for _ in 0..times {
                    // What is wrong in the first turn is wrong in all.
                    let found = self.troubles.len();
                    let (planned, output) = self.row(block.layers, &below(&block), &shape)?;
                    blocks.push(planned);
                    shape = output;
                    if self.troubles.len() > found {
                        return Some((None, shape));
                    }
                }
                Ok(shape)
            }
            Structure::Parallel(rows, _) => {
                let found = self.troubles.len();
                // Every row is looked at, even where one of them is lost.
                let planned: Vec<_> = rows.iter().map(|row| self.row(row.layers, &below(row), input)).collect();
                let (layers, outputs): (Vec<_>, Vec<_>) =
                    planned.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
                blocks = layers;
                match layer.join(input, &outputs) {
                    // Of rows that are wrong themselves, nothing more is said.
                    Err(error) if self.troubles.len() > found => return error.recovery.map(|shape| (None, shape)),
                    joined => joined,
                }
            }
        };
        let output = output.and_then(|output| {
            let checked = layer.parameters(input).iter().try_for_each(Parameter::check);
            checked.map_err(|error| ShapeError { recovery: Some(output.clone()), ..error }).map(|()| output)
        });
        match output {
            Ok(output_shape) => {
                let (line, file) = (self.written)(path);
                let row = LayerRow {
                    name,
                    kind: layer.name().to_owned(),
                    line,
                    file,
                    depth: path.iter().filter(|step| matches!(step, Step::Key(_))).count() / 2,
                    parameters: layer
                        .parameters(input)
                        .iter()
                        .map(|p| parameter_count(&p.shape))
                        .fold(0, u64::saturating_add),
                    flops: layer.flops(input, &output_shape),
                    activation_bytes: layer.activation_bytes(input, &output_shape),
                    output_shape: output_shape.clone(),
                };
                Some((Some(PlannedLayer { row, input: input.to_vec(), blocks }), output_shape))
            }
            Err(error) => self.trouble(layer, path, input, error).map(|shape| (None, shape)),
        }
    }
}

fn parameter_count(shape: &[i64]) -> u64 {
    shape.iter().fold(1, |product: u64, &n| product.saturating_mul(n.unsigned_abs()))
}

/// Follows the shapes through the layers. Every layer that cannot take what reaches it is reported, as far as it can be
/// guessed what reaches those behind it.
pub fn plan(sound: &Sound, sources: &SourceMap, input: Form, problems: &mut Vec<Diagnostic>) -> Option<Plan> {
    let full = |path: &[Step]| [path!["model", "layers"], path].concat();
    let main = sound.tree.place.text;
    let written = |path: &[Step]| {
        let place = sound.tree.place_of(&full(path)).place;
        let file = (place.text != main).then(|| sources.text(place.text).name.clone());
        (sources.line(place), file)
    };
    let mut walk = Walk::new(&written);
    let planned = walk.row(&sound.pipeline.model.layers, &[], &input.shape());
    for Trouble { path, within, shape, error } in &walk.troubles {
        let reached = match within {
            Some(layer) => format!("{} reaches a `{layer}` within this layer", display_shape(shape)),
            None => format!("{} reaches this layer", display_shape(shape)),
        };
        let mut problem = Diagnostic::error(Code::SHAPE, error.message.as_str())
            .at(sound.tree.place_of(&full(path)), reached)
            .help(error.help.as_str());
        if within.is_none()
            && let Some((Step::Index(index), around)) = path.split_last()
            && let Some(before) = index.checked_sub(1)
        {
            let place = sound.tree.place_of(&full(&[around, path![before]].concat()));
            problem = problem.at(place, format!("{} leaves this one", display_shape(shape)));
        }
        problems.push(problem);
    }
    let (layers, _) = planned.filter(|_| walk.troubles.is_empty())?;
    Some(Plan { input, layers })
}
