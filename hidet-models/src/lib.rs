//! The five models of "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs" (ASPLOS 2023), written
//! with the operators of hidet.
//!
//! | model | input | output | weights are those of |
//! |---|---|---|---|
//! | [`Resnet`] | images `[n, 3, rows, columns]` | scores `[n, classes]` | `torchvision.models.resnet50` |
//! | [`Inception`] | images `[n, 3, rows, columns]` | scores `[n, classes]` | `torchvision.models.inception_v3` |
//! | [`Mobilenet`] | images `[n, 3, rows, columns]` | scores `[n, classes]` | `torchvision.models.mobilenet_v2` |
//! | [`Bert`] | tokens `i64[n, tokens]` | last hidden state `[n, tokens, hidden]` | `transformers.BertModel` |
//! | [`Gpt2`] | tokens `i64[n, tokens]` | scores `[n, tokens, vocabulary]` | `transformers.GPT2LMHeadModel` |
//!
//! A model is made of a configuration, which has the paper's sizes or smaller ones, and of [`Weights`], which are drawn
//! ([`Random`]) or given by the names that PyTorch has for them ([`Given`]); `load` of each model takes them from a `.safetensors` file, as
//! the libraries above or timm write it. It computes nothing by itself: its output is a
//! lazy [`Tensor`](hidet_ops::Tensor), of which [`Replay`](hidet_ops::Replay) keeps the launches. Models are for inference:
//! there are no gradients, normalisations use the statistics that they are given, and GPT-2 keeps no keys and values.
//!
//! ```
//! use hidet::prelude::Device;
//! use hidet_models::{Bert, BertConfig, Given, Random};
//! use hidet_ops::Replay;
//!
//! let device = Device::sim();
//! let config = BertConfig { layers: 1, hidden: 32, intermediate: 64, ..BertConfig::reduced() };
//! let model = Bert::new(&device, &config, &mut Random { seed: 1 })?;
//!
//! // A sequence of 6 tokens, and what follows from the first of them.
//! let tokens = config.input(&device, 1, 6, 7)?;
//! let state = model.forward(&tokens)?;
//! let pooled = model.pooled(&state)?;
//! assert_eq!((state.shape(), pooled.shape()), (&[1, 6, 32][..], &[1, 32][..]));
//!
//! // The launches are kept, and repeated for other tokens.
//! let replay = Replay::of(&[&tokens], &[&state, &pooled])?;
//! let others = config.input(&device, 1, 6, 8)?;
//! let again = replay.run(&[&others])?;
//! assert!(again[1].elements()?.iter().all(|element| element.abs() <= 1.0));
//!
//! // Weights that are given must all be there; `Bert::load` takes them from a file.
//! let error = Bert::new(&device, &config, &mut Given::default()).err().map(|error| error.to_string());
//! let wanted = "weight `embeddings.word_embeddings.weight`: it is not among the 0 given ones";
//! assert_eq!(error.as_deref(), Some(wanted));
//! # Ok::<(), hidet_models::Error>(())
//! ```

mod attention;
mod bert;
mod conv;
mod embedding;
mod ended;
mod error;
mod given;
mod gpt2;
mod inception;
pub mod inputs;
mod linear;
mod load;
mod mobilenet;
mod norm;
mod resnet;
mod sequences;
mod weights;

pub use bert::{Bert, BertConfig};
pub use error::{Error, Result};
pub use given::Given;
pub use gpt2::{Gpt2, Gpt2Config};
pub use inception::{Inception, InceptionConfig};
pub use mobilenet::{Mobilenet, MobilenetConfig};
pub use resnet::{Resnet, ResnetConfig};
pub use sequences::{Ranges, Sequences};
pub use weights::{Draw, Random, Weights};
