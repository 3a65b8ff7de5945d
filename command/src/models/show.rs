//! `hidet show MODEL.onnx`: graphs as text, the kernels with the nodes that they are for, and why there are not fewer.

use super::{Prepared, open_names, picture, prepare_model};
use crate::bench::problem::say;
use crate::command::Outcome;
use hidet::prelude::*;
use hidet_onnx::{Arithmetic, Model, NodeName, Trace};
use hidet_ops::FusedKernel;
use hidet_ops::graph::NodeId;
use std::fmt::Write;
use std::path::Path;

/// What is shown.
pub struct Request<'a> {
    pub path: &'a Path,
    /// The graph as the file has it.
    pub before: bool,
    /// The graph after passes.
    pub after: bool,
    /// Where the picture goes.
    pub svg: Option<&'a Path>,
    pub arithmetic: Arithmetic,
    pub dims: &'a [String],
}

/// Prints graphs and kernels, and draws them if asked to.
pub fn show(model: &Model, device: &Device, request: &Request) -> Outcome {
    let prepared = |model| prepare_model(model, device, request.arithmetic, request.dims, |_| None);
    let own = prepared(model)?;
    let trace = own.trace().map_err(|why| match open_names(model).as_slice() {
        [] => why,
        open => {
            let open: Vec<String> = open.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "{why}\nextents that the model leaves open are 1 unless given by --dim NAME=NUMBER: {}",
                open.join(", ")
            )
        }
    })?;
    let sizes = request.dims.iter().map(|dim| format!("{dim}, ")).collect::<String>();
    println!("types are of inputs with {sizes}1 for each extent that is open");
    if request.before {
        let written = prepared(&Model::load_as_written(request.path).map_err(say)?)?;
        println!("\ngraph of the file");
        print!("{}", written.session.text(Some(&written.trace()?)));
    }
    println!("\npasses");
    own.session.passes().iter().for_each(|pass| println!("  {pass}"));
    if request.after {
        println!("\ngraph after passes");
        print!("{}", own.session.text(Some(&trace)));
    }
    print!("\n{}", kernels(&trace));
    if let Some(path) = request.svg {
        let outputs: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
        let name = request.path.file_name().unwrap_or_default().to_string_lossy();
        let svg = picture::svg(&name, &trace, &outputs);
        std::fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("\nwrote {}", path.display());
    }
    Ok(true)
}

impl Prepared {
    /// Returns what a run would do.
    fn trace(&self) -> Result<Trace, String> {
        self.session.trace(&self.inputs()).map_err(say)
    }
}

/// Returns the name of a node of the model, for people.
pub fn node_name(node: &NodeName) -> String {
    match node.name.as_str() {
        "" => node.op_type.clone(),
        name => format!("{} `{name}`", node.op_type),
    }
}

/// Returns what a tensor is: a value of the model, or else the operator that makes it and for which node.
pub fn tensor_name(trace: &Trace, tensor: NodeId) -> String {
    if let Some(value) = trace.value(tensor) {
        return format!("%{value}");
    }
    let operator = trace.fusion.graph.node(tensor).operator().unwrap_or("a constant");
    match trace.maker(tensor) {
        Some(node) => format!("{operator} of {}", node_name(node)),
        None => operator.to_owned(),
    }
}

/// Returns the templates of a kernel's launches, joined.
pub fn templates(kernel: &FusedKernel) -> String {
    let templates: Vec<&str> = kernel.launches.iter().map(|launch| launch.template).collect();
    templates.join(" + ")
}

/// Returns the kernels, and the reasons for which they are not fewer.
pub fn kernels(trace: &Trace) -> String {
    let fusion = &trace.fusion;
    let mut text = format!("kernels: {}, in {} launches\n", fusion.kernels.len(), fusion.launches());
    if trace.has_computed {
        text +=
            "elements were looked at on the way: the kernels that computed them are not shown, and others may follow\n";
    }
    for (number, kernel) in fusion.kernels.iter().enumerate() {
        put(&mut text, format_args!("{number}: {} by {}", kernel.name, templates(kernel)));
        if kernel.launches.len() > 1 {
            let launches: Vec<String> =
                kernel.launches.iter().map(|own| format!("{} by {}", own.kernel, own.template)).collect();
            put(&mut text, format_args!("   launches: {}", launches.join(", ")));
        }
        for (node, operators) in of_nodes(trace, kernel) {
            put(&mut text, format_args!("   {node}: {operators}"));
        }
        let typed = |tensor: &NodeId| format!("{} {}", tensor_name(trace, *tensor), fusion.graph.node(*tensor).ty);
        let inputs: Vec<String> = kernel.inputs.iter().map(typed).collect();
        put(
            &mut text,
            format_args!("   reads {}", if inputs.is_empty() { "nothing".to_owned() } else { inputs.join(", ") }),
        );
        put(&mut text, format_args!("   writes {}", typed(&kernel.output)));
    }
    put(&mut text, format_args!("\nboundaries between kernels: {}", fusion.boundaries.len()));
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for boundary in &fusion.boundaries {
        let why = boundary.why.to_string();
        let (from, to, tensor) = (boundary.from, boundary.to, tensor_name(trace, boundary.tensor));
        put(&mut text, format_args!("  {from} -> {to}, {tensor}: {why}"));
        match reasons.iter_mut().find(|(own, _)| *own == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    if reasons.len() == fusion.boundaries.len() {
        return text;
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons.iter().for_each(|(why, count)| put(&mut text, format_args!("{count:>5} times: {why}")));
    text
}

/// Returns the nodes of the model that a kernel is for, and the operators of each, in order.
fn of_nodes(trace: &Trace, kernel: &FusedKernel) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for id in &kernel.operators {
        let node = trace.maker(*id).map_or_else(|| "the output".to_owned(), node_name);
        let operator = trace.fusion.graph.node(*id).operator().unwrap_or_default();
        match all.last_mut() {
            Some((own, operators)) if *own == node => *operators += &format!(", {operator}"),
            _ => all.push((node, operator.to_owned())),
        }
    }
    all
}

// Writing to a string cannot fail.
fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}
