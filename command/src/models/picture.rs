//! A model drawn: a block for each kernel with its operators in order, and the tensors between kernels as edges.

use super::layers::{Layout, layout};
use super::legend::{LETTER, colors, cut};
use super::show::{node_name, templates, tensor_name};
use crate::bench::canvas::Canvas;
use hidet_onnx::Trace;
use hidet_ops::graph::{NodeId, Origin};
use std::collections::HashMap;

/// The most letters of a line.
const LETTERS: usize = 44;

/// The height of a line, the margin inside of a block, the height of a node, and the distance of nodes, in pixels.
const LINE: f64 = 18.0;
const INSIDE: f64 = 8.0;
const NODE: f64 = 20.0;
const STEP: f64 = 28.0;

/// The margin around all, and the height of what is above the blocks.
const MARGIN: f64 = 24.0;
const HEAD: f64 = 64.0;

/// A block of the picture.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Its title.
    pub title: String,
    /// What makes it; empty for an input or an output of the model.
    pub template: String,
    /// What is reported of it under the mouse.
    pub about: String,
    /// The nodes inside, from above.
    pub nodes: Vec<Node>,
}

/// A node of a block.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub label: String,
    pub about: String,
    /// The nodes of the block above it that it reads.
    pub reads: Vec<usize>,
}

/// A tensor between blocks.
#[derive(Clone, Debug)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub about: String,
}

/// Draws what a run of a model would do.
pub fn svg(name: &str, trace: &Trace, outputs: &[&str]) -> String {
    let (blocks, edges) = blocks(trace, outputs);
    let kernels = trace.fusion.kernels.len();
    draw(&format!("{name}: {kernels} kernels in {} launches", trace.fusion.launches()), &blocks, &edges)
}

/// Returns a block for each input, kernel and output, in an order in which edges lead to later ones.
fn blocks(trace: &Trace, outputs: &[&str]) -> (Vec<Block>, Vec<Edge>) {
    let graph = &trace.fusion.graph;
    let typed = |tensor: NodeId| format!("{}: {}", tensor_name(trace, tensor), graph.node(tensor).ty);
    // Constants are many, and are named where they are read.
    let is_input = |id: NodeId| matches!(graph.node(id).origin, Origin::Input) && trace.is_input(id);
    let (mut blocks, mut edges): (Vec<Block>, Vec<Edge>) = (Vec::new(), Vec::new());
    let mut makers: HashMap<NodeId, usize> = HashMap::new();
    for node in graph.nodes().filter(|node| is_input(node.id)) {
        makers.insert(node.id, blocks.len());
        let title = typed(node.id);
        blocks.push(Block { about: title.clone(), title, ..Block::default() });
    }
    // A reshape is the same memory as what it reads.
    let maker = |makers: &HashMap<NodeId, usize>, mut tensor: NodeId| loop {
        match (makers.get(&tensor), graph.node(tensor).inputs()) {
            (Some(block), _) => break Some(*block),
            (None, [input]) => tensor = *input,
            _ => break None,
        }
    };
    let first = blocks.len();
    for (number, kernel) in trace.fusion.kernels.iter().enumerate() {
        let to = blocks.len();
        for tensor in &kernel.inputs {
            if let Some(from) = maker(&makers, *tensor) {
                let reason = trace.fusion.boundaries.iter().find(|own| own.from + first == from && own.to == number);
                let reason = reason.map_or(String::new(), |own| format!("\nnot fused: {}", own.why));
                edges.push(Edge { from, to, about: typed(*tensor) + &reason });
            }
        }
        let place = |id: &NodeId| kernel.operators.iter().position(|own| own == id);
        let node = |id: &NodeId| {
            let own = graph.node(*id);
            let operator = own.operator().unwrap_or_default();
            let value = trace.value(*id).map_or(String::new(), |value| format!(" %{value}"));
            let of = trace.maker(*id).map_or(String::new(), |node| format!("\nof {}", node_name(node)));
            let about = format!("{own}{of}{}", if value.is_empty() { value.clone() } else { format!("\nis{value}") });
            Node { label: format!("{operator}{value}"), about, reads: own.inputs().iter().filter_map(place).collect() }
        };
        let reads: Vec<String> = kernel.inputs.iter().map(|tensor| format!("\nreads {}", typed(*tensor))).collect();
        blocks.push(Block {
            title: format!("{number} {}", kernel.name),
            template: templates(kernel),
            about: format!(
                "{}\nby {}{}\nwrites {}",
                kernel.name,
                templates(kernel),
                reads.concat(),
                typed(kernel.output)
            ),
            nodes: kernel.operators.iter().map(node).collect(),
        });
        makers.insert(kernel.output, to);
    }
    for (tensor, name) in graph.outputs().iter().zip(outputs) {
        let title = format!("%{name}: {}", graph.node(*tensor).ty);
        edges.extend(maker(&makers, *tensor).map(|from| Edge { from, to: blocks.len(), about: title.clone() }));
        blocks.push(Block { about: title.clone(), title, ..Block::default() });
    }
    (blocks, edges)
}

/// Draws blocks and edges, each of which leads to a later block.
pub fn draw(title: &str, blocks: &[Block], edges: &[Edge]) -> String {
    let colors = colors(blocks.iter().map(|block| block.template.as_str()).filter(|template| !template.is_empty()));
    let sizes: Vec<[f64; 2]> = blocks.iter().map(Block::size).collect();
    let ends: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let Layout { places, routes, size } = layout(&sizes, &ends);
    let mut canvas = Canvas::new();
    canvas.text([MARGIN, 24.0], "t", title);
    let mut x = MARGIN;
    for (template, color) in &colors {
        canvas.rect([x, 36.0, 12.0, 12.0], color);
        canvas.text([x + 18.0, 47.0], "", template);
        x += 18.0 + template.chars().count() as f64 * LETTER + 20.0;
    }
    // Edges lie below blocks.
    for (edge, route) in edges.iter().zip(routes) {
        let route: Vec<[f64; 2]> = route.iter().map(|[x, y]| [x + MARGIN, y + HEAD]).collect();
        canvas.about(&edge.about, |canvas| {
            canvas.curve(&route, "edge");
            if let Some([x, y]) = route.last() {
                canvas.line([x - 4.0, y - 6.0], [*x, *y], "axis");
                canvas.line([x + 4.0, y - 6.0], [*x, *y], "axis");
            }
        });
    }
    for ((block, [x, y]), size) in blocks.iter().zip(places).zip(&sizes) {
        let color = colors.iter().find(|(template, _)| *template == block.template).map(|(_, color)| *color);
        block.draw(&mut canvas, [x + MARGIN, y + HEAD], *size, color);
    }
    canvas.width = (size[0] + 2.0 * MARGIN).max(x).max(title.chars().count() as f64 * LETTER + 2.0 * MARGIN);
    canvas.height = size[1] + HEAD + MARGIN;
    canvas.finish()
}

impl Block {
    /// Returns its width and height.
    fn size(&self) -> [f64; 2] {
        let lines = self.nodes.iter().map(|node| &node.label).chain([&self.title, &self.template]);
        let letters = lines.map(|line| line.chars().count().min(LETTERS)).max().unwrap_or(0) as f64;
        let lines = if self.template.is_empty() { 1.0 } else { 2.0 };
        let nodes = match self.nodes.len() {
            0 => 0.0,
            count => (count - 1) as f64 * STEP + NODE + INSIDE,
        };
        [letters * LETTER + 6.0 * INSIDE + self.side(), lines * LINE + INSIDE + nodes]
    }

    /// Returns the space for edges between nodes that are not next to each other, beside the nodes.
    fn side(&self) -> f64 {
        let passes = |(at, node): (usize, &Node)| node.reads.iter().any(|read| read + 1 != at);
        if self.nodes.iter().enumerate().any(passes) { 28.0 } else { 0.0 }
    }

    fn draw(&self, canvas: &mut Canvas, [x, y]: [f64; 2], [width, height]: [f64; 2], color: Option<&str>) {
        canvas.about(&self.about, |canvas| {
            canvas.rect([x, y, width, height], if color.is_some() { "group" } else { "end" });
            if let Some(color) = color {
                canvas.rect([x, y, 4.0, height], color);
            }
            canvas.text([x + 2.0 * INSIDE, y + LINE], "t", &cut(&self.title, LETTERS));
            if !self.template.is_empty() {
                canvas.text([x + 2.0 * INSIDE, y + 2.0 * LINE], "", &cut(&self.template, LETTERS));
            }
        });
        let top = |at: usize| y + 2.0 * LINE + INSIDE + at as f64 * STEP;
        let right = x + width - INSIDE - self.side();
        for (at, node) in self.nodes.iter().enumerate() {
            for read in &node.reads {
                let middle = x + width / 2.0;
                let (from, to) = (top(*read), top(at));
                match read + 1 == at {
                    true => canvas.line([middle, from + NODE], [middle, to], "edge"),
                    false => {
                        // Edges over more nodes are further away.
                        let far = right + (4.0 + 4.0 * (at - read) as f64).min(self.side());
                        let (from, to) = (from + NODE / 2.0, to + NODE / 2.0);
                        canvas.line([right, from], [far, from], "edge");
                        canvas.line([far, from], [far, to], "edge");
                        canvas.line([far, to], [right, to], "edge");
                    }
                }
            }
            canvas.about(&node.about, |canvas| {
                canvas.rect([x + 2.0 * INSIDE, top(at), right - x - 2.0 * INSIDE, NODE], "node");
                canvas.text([x + 3.0 * INSIDE, top(at) + 14.0], "", &cut(&node.label, LETTERS));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_in_their_blocks() {
        let node = |label: &str, reads: &[usize]| Node {
            label: label.to_owned(),
            about: format!("about {label}"),
            reads: reads.to_vec(),
        };
        let input = Block { title: "%x: f32[2]".to_owned(), about: "x".to_owned(), ..Block::default() };
        let kernel = Block {
            title: "0 exp_sum_div".to_owned(),
            template: "rows".to_owned(),
            about: "a kernel".to_owned(),
            nodes: vec![node("exp", &[]), node("sum", &[0]), node("div < %y", &[0, 1])],
        };
        let edge = Edge { from: 0, to: 1, about: "%x\nnot fused: why".to_owned() };
        let picture = draw("m & n", &[input, kernel], &[edge]);
        for part in [
            ">m &amp; n</text>",
            "<title>%x\nnot fused: why</title>",
            ">0 exp_sum_div</text>",
            "class=\"s0\"",
            ">div &lt; %y</text>",
            "<title>about sum</title>",
        ] {
            assert!(picture.contains(part), "{part}:\n{picture}");
        }
        assert_eq!(
            ["group", "node", "end"].map(|class| picture.matches(&format!("class=\"{class}\"")).count()),
            [1, 3, 1]
        );
        // Two edges inside are lines, one passes a node and is three; one is between the blocks.
        assert_eq!((picture.matches("class=\"edge\"").count(), picture.matches("<path").count()), (2 + 3 + 1, 1));
    }
}
