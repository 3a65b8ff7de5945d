//! Why operators are several kernels: each reason that fusion gives, and the launches with their work.

#![allow(clippy::unwrap_used, clippy::panic)]

use hidet::device::Device;
use hidet::prelude::f16;
use hidet::types::Scalar;
use hidet_ops::fuse::CannotFuse::{self, *};
use hidet_ops::{Result, Tensor};

fn tensor(device: &Device, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor::from(device.tensor(&vec![0.5f32; count], [count]).unwrap().raw().view(0, shape).unwrap())
}

/// Returns the reason of each boundary, with the operator before it.
fn reasons(tensors: &[&Tensor]) -> Vec<(&'static str, CannotFuse)> {
    let fusion = Tensor::fusion(tensors).unwrap();
    for boundary in &fusion.boundaries {
        assert!(boundary.from < boundary.to && fusion.kernels[boundary.from].output == boundary.tensor);
        assert!(!boundary.why.to_string().is_empty());
    }
    let operators: usize = fusion.kernels.iter().map(|kernel| kernel.operators.len()).sum();
    assert!(operators <= fusion.graph.nodes().filter(|node| node.operator().is_some()).count());
    let operator = |boundary: &hidet_ops::Boundary| fusion.graph.node(boundary.tensor).operator().unwrap();
    fusion.boundaries.iter().map(|boundary| (operator(boundary), boundary.why)).collect()
}

#[test]
fn each_boundary_has_its_reason() -> Result<()> {
    let device = Device::sim();
    let (x, w) = (tensor(&device, &[16, 16]), tensor(&device, &[16, 16]));
    let product = x.matmul(&w)?;
    assert_eq!(reasons(&[&product.relu()?]), []);
    assert_eq!(reasons(&[&product.relu()?.matmul(&w)?]), [("relu", EndsProduct)]);
    assert_eq!(reasons(&[&x.softmax(1)?.matmul(&w)?]), [("div", EndsRows)]);
    assert_eq!(reasons(&[&x.exp()?.matmul(&w)?]), [("exp", Repeated)]);
    assert_eq!(reasons(&[&x.cast(Scalar::F16)?.matmul(&w.cast(Scalar::F16)?)?]), [("cast", Narrows); 2]);
    let kept = x.exp()?;
    assert_eq!(reasons(&[&kept.sum(&[1], false)?, &kept]), [("exp", Output)]);
    assert_eq!(reasons(&[&kept.sum(&[1], false)?, &kept.sum(&[0], false)?]), [("exp", Readers); 2]);
    assert_eq!(reasons(&[&kept.reshape(&[256])?.cumsum(0, false, false)?]), [("exp", Reshape)]);
    // Queries, keys and values are parts of one product, which attention reads in place.
    let parts = x.matmul(&tensor(&device, &[16, 192]))?.split(1, &[64, 64, 64])?;
    let scores = parts[0].matmul(&parts[1].t()?)?.mul(0.125)?;
    assert_eq!(reasons(&[&scores.softmax(1)?.matmul(&parts[2])?])[0], ("matmul", Chain));
    // Here and under another shape.
    assert_eq!(reasons(&[&kept.mul(&kept.reshape(&[256])?.reshape(&[16, 16])?)?]), [("exp", Reshape)]);
    let sums = x.cumsum(1, false, false)?;
    assert_eq!(reasons(&[&sums.relu()?])[0].1, EndsLine);
    assert_eq!(reasons(&[&x.sum(&[1], false)?.cumsum(0, false, false)?]), [("sum", BeforeLine)]);
    // The sums of columns are of other rows than the sums of rows.
    let apart = x.sub(&x.sum(&[0], true)?)?.sum(&[1], false)?;
    assert_eq!(reasons(&[&apart]), [("sum", OtherRows)]);
    assert_eq!(reasons(&[&product.sum(&[1], false)?]), [("matmul", Alone)]);
    let mut long = x.clone();
    for _ in 0..300 {
        long = long.add(1.0)?;
    }
    assert!(reasons(&[&long]).iter().all(|(operator, why)| (*operator, *why) == ("add", Size)));
    assert_eq!(reasons(&[&product.permute(&[1, 0])?.slice(&[(0, 0, 8, 1)])?.matmul(&w)?])[0].1, Places);
    Ok(())
}

#[test]
fn launches_have_the_work_that_they_are_for() -> Result<()> {
    let device = Device::sim();
    let (x, w) = (tensor(&device, &[16, 32]), tensor(&device, &[32, 64]));
    let y = x.matmul(&w)?.relu()?.sum(&[1], false)?;
    let launches = Tensor::launches(&[&y])?;
    let fusion = Tensor::fusion(&[&y])?;
    let names: Vec<&str> = launches.iter().map(|own| own.launch.kernel().function().name.as_str()).collect();
    let planned: Vec<&str> =
        fusion.kernels.iter().flat_map(|own| &own.launches).map(|own| own.kernel.as_str()).collect();
    assert_eq!((names.len(), &names), (fusion.launches(), &planned));
    assert_eq!(fusion.kernels[0].launches[0].template, launches[0].template);
    assert_eq!((launches[0].bytes, launches[0].flops), ((16 * 32 + 32 * 64 + 16 * 64) * 4, 2.0 * 16.0 * 32.0 * 64.0));
    assert_eq!((launches[1].template, launches[1].bytes, launches[1].flops), ("rows", (16 * 64 + 16) * 4, 0.0));
    let half = x.cast(Scalar::F16)?;
    assert_eq!(Tensor::launches(&[&half])?[0].bytes, 16 * 32 * (4 + size_of::<f16>()));
    assert_eq!(fusion.node_of(&x), Some(hidet_ops::graph::NodeId(0)));
    assert_eq!(fusion.node_of(&half), None);
    Ok(())
}
