//! A service: many clients, each of which sends one image at a time and waits for its answer, share a model that runs for batches.
//!
//! The model is compiled once, for all batches of 1 to 16 images (`Session::with_extent`), and nothing is compiled afterwards.
//! One thread collects requests: as many as there are when 16 have come, or when the first has waited for 2 ms. It puts
//! their images together, runs the model once, and gives each client its row of the result. That a row is made of its own
//! image alone was proved when the model was compiled; here each answer is compared with that of the image by itself.
//! Runs on a GPU if there is one, or else on the simulated device, whose requests per second say nothing about a GPU.

use hidet::prelude::*;
use hidet::sim::Options;
use hidet_examples::digits;
use hidet_onnx::{Model, Result, Session};
use hidet_ops::Tensor;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/digits/digits.onnx");

const CLIENTS: usize = 24;

/// The requests of a client, one behind the other.
const REQUESTS: usize = 20;

/// The most requests of a batch.
const MOST: usize = 16;

/// The longest time for which a request waits for others.
const WAIT: Duration = Duration::from_millis(2);

/// Numbers of an image, and of an answer: the chances of the ten digits.
const PIXELS: usize = 64;
const DIGITS: usize = 10;

/// An image, and where its answer goes.
struct Request {
    image: Vec<f32>,
    answer: Sender<Vec<f32>>,
}

/// Returns the answers to images, one behind the other.
fn chances(session: &Session, device: &Device, images: &[f32]) -> Result<Vec<f32>> {
    let images = Tensor::from(&device.tensor(images, [images.len() / PIXELS, PIXELS])?);
    let [(_, chances)] = &session.run(&[("images", images)])?[..] else { unreachable!("it has one output") };
    Ok(chances.to_vec()?)
}

/// Waits for a request, and then for others; returns nothing when no client is left.
fn batch(requests: &Receiver<Request>) -> Option<Vec<Request>> {
    let mut batch = vec![requests.recv().ok()?];
    let end = Instant::now() + WAIT;
    while batch.len() < MOST
        && let Ok(request) = requests.recv_timeout(end.saturating_duration_since(Instant::now()))
    {
        batch.push(request);
    }
    Some(batch)
}

/// Answers requests until no client is left, and returns the number of batches.
fn serve(session: &Session, device: &Device, requests: Receiver<Request>) -> Result<usize> {
    let mut batches = 0;
    while let Some(batch) = batch(&requests) {
        let images: Vec<f32> = batch.iter().flat_map(|request| &request.image).copied().collect();
        let answers = chances(session, device, &images)?;
        for (request, answer) in batch.iter().zip(answers.chunks(DIGITS)) {
            // A client that does not wait any more needs no answer.
            let _ = request.answer.send(answer.to_vec());
        }
        batches += 1;
    }
    Ok(batches)
}

/// Sends images one by one, and compares the answers with those that are wanted. Ends early if nobody answers.
fn client(images: &[f32], wanted: &[f32], requests: &Sender<Request>) {
    for (image, wanted) in images.chunks(PIXELS).zip(wanted.chunks(DIGITS)) {
        let (answer, answers) = channel();
        if requests.send(Request { image: image.to_vec(), answer }).is_err() {
            return;
        }
        let Ok(found) = answers.recv() else { return };
        let is_near = found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-5);
        assert!(found.len() == DIGITS && is_near, "{found:?} in a batch, {wanted:?} alone");
    }
}

/// Serves all clients, and prints how fast.
pub fn run(device: &Device) -> Result<()> {
    println!("device: {device}");
    let begin = Instant::now();
    let session = Model::load(MODEL)?.on(device)?.with_extent("n", 1..=MOST)?;
    println!("compiled for batches of 1 to {MOST} in {:.2?}", begin.elapsed());

    let (images, _) = digits::digits(true);
    let images = &images[..CLIENTS * REQUESTS * PIXELS];
    let begin = Instant::now();
    let alone =
        images.chunks(PIXELS).map(|image| chances(&session, device, image)).collect::<Result<Vec<_>>>()?.concat();
    let each = begin.elapsed() / (CLIENTS * REQUESTS) as u32;

    let begin = Instant::now();
    let (sender, requests) = channel();
    let batches = thread::scope(|scope| {
        let shares = images.chunks(REQUESTS * PIXELS).zip(alone.chunks(REQUESTS * DIGITS));
        for (images, wanted) in shares {
            let sender = sender.clone();
            scope.spawn(move || client(images, wanted, &sender));
        }
        // What is left are the clients' own.
        drop(sender);
        serve(&session, device, requests)
    })?;
    let (count, seconds) = ((CLIENTS * REQUESTS) as f64, begin.elapsed().as_secs_f64());
    println!("one by one, without clients: {:.0} images per second", 1.0 / each.as_secs_f64());
    println!(
        "{CLIENTS} clients: {:.0} requests per second, {:.1} of them in a batch",
        count / seconds,
        count / batches as f64
    );
    assert!(batches < CLIENTS * REQUESTS, "no request shared a batch with another");
    Ok(())
}

#[allow(dead_code)]
fn main() -> Result<()> {
    // The kernels of operators need no checks while they run, which take several times as long.
    let device = match Device::best()? {
        device if device.is_sim() => Device::sim_with(Options::fast()),
        device => device,
    };
    run(&device)
}
