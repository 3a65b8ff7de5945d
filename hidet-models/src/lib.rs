//! The five models of the paper "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs" (ASPLOS 2023),
//! written with the operators of hidet.

mod conv;
mod error;
pub mod inputs;
mod linear;
mod load;
mod resnet;
mod weights;

pub use error::{Error, Result};
pub use resnet::{Resnet, ResnetConfig};
pub use weights::{Draw, Given, Random, Weights};
