//! The messages of TensorFlow that event files consist of: `Event` with its `Summary` or `GraphDef`.
//!
//! Fields and their numbers are those of `event.proto`, `summary.proto`, `tensor.proto`, `graph.proto` and what they
//! import. Scalars and images are written as TensorFlow 2's `tf.summary` does it, as tensors that name their plugin.

use super::{graph::Node, wire::Message};

/// The first record of a file; TensorBoard wants it there.
pub fn version(wall_time: f64) -> Vec<u8> {
    let source = Message::new().bytes(1, "trainyard");
    Message::new().double(1, wall_time).bytes(3, "brain.Event:2").message(10, source).into_bytes()
}

/// A figure at `step`.
pub fn scalar(wall_time: f64, step: u64, tag: &str, value: f64) -> Vec<u8> {
    const SCALAR: i64 = 1;
    let tensor = Message::new().int(1, DT_FLOAT).message(2, shape(&[])).bytes(5, (value as f32).to_le_bytes());
    summary(wall_time, step, tag, tensor, "scalars", SCALAR)
}

/// PNG files of one height and width, in pixels.
pub fn images(wall_time: f64, tag: &str, [height, width]: [usize; 2], pngs: &[Vec<u8>]) -> Vec<u8> {
    const BLOBS: i64 = 3;
    let elements = 2 + pngs.len() as i64;
    let tensor = Message::new()
        .int(1, DT_STRING)
        .message(2, shape(&[elements]))
        .bytes(8, width.to_string())
        .bytes(8, height.to_string());
    let tensor = pngs.iter().fold(tensor, |tensor, png| tensor.bytes(8, png));
    summary(wall_time, 0, tag, tensor, "images", BLOBS)
}

/// A graph.
pub fn graph(wall_time: f64, nodes: &[Node]) -> Vec<u8> {
    // Any version that knows nodes will do; this is TensorFlow 2's.
    let versions = Message::new().int(1, 1882);
    let graph = Message::new().messages(1, nodes.iter().map(node)).message(4, versions);
    Message::new().double(1, wall_time).bytes(4, graph.into_bytes()).into_bytes()
}

const DT_FLOAT: i64 = 1;
const DT_STRING: i64 = 7;

fn shape(dimensions: &[i64]) -> Message {
    Message::new().messages(2, dimensions.iter().map(|&size| Message::new().int(1, size)))
}

/// A tensor for `plugin` of TensorBoard. The plugin's own data hold nothing but a version, 0, which isn't written.
fn summary(wall_time: f64, step: u64, tag: &str, tensor: Message, plugin: &str, data_class: i64) -> Vec<u8> {
    let metadata = Message::new().message(1, Message::new().bytes(1, plugin)).int(4, data_class);
    let value = Message::new().bytes(1, tag).message(8, tensor).message(9, metadata);
    let summary = Message::new().message(1, value);
    Message::new().double(1, wall_time).int(2, step as i64).message(5, summary).into_bytes()
}

fn node(node: &Node) -> Message {
    let attribute = |key: &str, value: Message| Message::new().bytes(1, key).message(2, value);
    // The batch may have any size.
    let dimensions: Vec<i64> = std::iter::once(-1).chain(node.output_shape.iter().map(|&size| size as i64)).collect();
    let shapes = Message::new().message(1, Message::new().message(7, shape(&dimensions)));
    let message = Message::new().bytes(1, &node.name).bytes(2, &node.kind);
    let message = node.inputs.iter().fold(message, |message, input| message.bytes(3, input));
    message
        .message(5, attribute("_output_shapes", shapes))
        .message(5, attribute("parameters", Message::new().int(3, node.parameters as i64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::hexadecimal;

    /// What TensorFlow 2.21 makes of `Event(wall_time=1.5, step=7)` with the value that `tf.summary.scalar` puts there:
    /// `make_tensor_proto(0.25, dtype=tf.float32)` for the plugin `scalars`, of `DATA_CLASS_SCALAR`.
    #[test]
    fn a_figure_is_written_as_tensorflow_writes_it() {
        let wanted = "09000000000000f83f10072a290a270a0a65706f63685f6c6f7373420a080112002a040000803e\
                      4a0d0a090a077363616c6172732001";
        assert_eq!(hexadecimal(&scalar(1.5, 7, "epoch_loss", 0.25)), wanted);
    }
}
