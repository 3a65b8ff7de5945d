//! The five models of the paper "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs" (ASPLOS 2023),
//! written with the operators of hidet.

mod conv;
mod error;
mod inception;
pub mod inputs;
mod linear;
mod load;
mod mobilenet;
mod resnet;
mod weights;

pub use error::{Error, Result};
pub use inception::{Inception, InceptionConfig};
pub use mobilenet::{Mobilenet, MobilenetConfig};
pub use resnet::{Resnet, ResnetConfig};
pub use weights::{Draw, Given, Random, Weights};
