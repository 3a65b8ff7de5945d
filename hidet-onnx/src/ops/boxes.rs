//! Lists that the host makes of data: boxes that do not overlap, and counts of n-grams.

use super::Row;
use super::tools::{host, unsupported};
use crate::array::Array;
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use std::collections::HashMap;

pub(super) const ROWS: &[Row] = &[
    Row("NonMaxSuppression", 10, &["center_point_box"], non_max_suppression),
    Row(
        "TfIdfVectorizer",
        9,
        &[
            "max_gram_length",
            "max_skip_count",
            "min_gram_length",
            "mode",
            "ngram_counts",
            "ngram_indexes",
            "pool_int64s",
            "weights",
        ],
        tf_idf,
    ),
];

/// The two corners of a box, with the lesser coordinates first.
type Corners = [[f64; 2]; 2];

fn corners(numbers: &[f64], centred: bool) -> Corners {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| numbers[at]);
    match centred {
        true => [[a - c / 2.0, b - d / 2.0], [a + c / 2.0, b + d / 2.0]],
        false => [[a.min(c), b.min(d)], [a.max(c), b.max(d)]],
    }
}

/// Returns the part of two boxes that both have.
fn overlap(a: &Corners, b: &Corners) -> f64 {
    let area = |corners: &Corners| (corners[1][0] - corners[0][0]) * (corners[1][1] - corners[0][1]);
    let side = |axis: usize| a[1][axis].min(b[1][axis]) - a[0][axis].max(b[0][axis]);
    let both = side(0).max(0.0) * side(1).max(0.0);
    let all = area(a) + area(b) - both;
    if both <= 0.0 || area(a) <= 0.0 || area(b) <= 0.0 || all <= 0.0 { 0.0 } else { both / all }
}

fn non_max_suppression(call: &Call) -> NodeResult<Vec<Value>> {
    let (boxes, scores) = (call.value(0)?.array()?, call.value(1)?.array()?);
    let ([batch, count, 4], [score_batch, classes, score_count]) = (boxes.shape(), scores.shape()) else {
        return Err(format!("{} and {} are not boxes and scores", boxes.ty(), scores.ty()).into());
    };
    if (batch, count) != (score_batch, score_count) {
        return Err(format!("{} and {} do not fit", boxes.ty(), scores.ty()).into());
    }
    let most = usize::try_from(call.number(2)?.unwrap_or(0)).unwrap_or(0);
    let (limit, least) = (call.real(3)?.unwrap_or(0.0), call.real(4)?);
    let centred = call.flag("center_point_box", false)?;
    let all: Vec<Corners> = boxes.floats().chunks(4).map(|numbers| corners(numbers, centred)).collect();
    let scores = scores.floats();
    let mut chosen = Vec::new();
    for (class, scores) in scores.chunks((*count).max(1)).enumerate() {
        let (element, class) = (class / classes, class % classes);
        let own = &all[element * count..(element + 1) * count];
        let mut order: Vec<usize> = (0..*count).filter(|at| least.is_none_or(|least| scores[*at] > least)).collect();
        // The best first; of equal ones the first.
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut kept: Vec<usize> = Vec::new();
        for at in order {
            if kept.len() < most && kept.iter().all(|other| overlap(&own[*other], &own[at]) <= limit) {
                kept.push(at);
                chosen.extend([element as i64, class as i64, at as i64]);
            }
        }
    }
    host(Array::of_integers(Scalar::I64, &[chosen.len() / 3, 3], &chosen))
}

/// Returns the n-grams of a pool with the columns in which they are counted.
fn pool(call: &Call) -> NodeResult<HashMap<Vec<i64>, usize>> {
    let list = |name: &str| call.ints(name)?.ok_or_else(|| format!("attribute `{name}` is missing").into());
    let lists: [NodeResult<Vec<i64>>; 3] = [list("pool_int64s"), list("ngram_counts"), list("ngram_indexes")];
    let [pool, begins, columns] = lists;
    let (pool, begins, columns) = (pool?, begins?, columns?);
    let (mut grams, mut columns) = (HashMap::new(), columns.into_iter());
    for (at, begin) in begins.iter().enumerate() {
        let end = begins.get(at + 1).copied().unwrap_or(pool.len() as i64);
        let bound = |bound: i64| usize::try_from(bound).ok().filter(|bound| *bound <= pool.len());
        let (Some(begin), Some(end)) = (bound(*begin), bound(end)) else {
            return Err("`ngram_counts` are not places in the pool".into());
        };
        for gram in pool[begin..end.max(begin)].chunks(at + 1) {
            let column = columns.next().and_then(|column| usize::try_from(column).ok());
            grams.insert(gram.to_vec(), column.ok_or("`ngram_indexes` are too few")?);
        }
    }
    Ok(grams)
}

fn tf_idf(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.value(0)?.array()?;
    let (rows, length) = match x.shape() {
        [length] => (None, *length),
        [rows, length] => (Some(*rows), *length),
        _ => return Err(format!("{} must have one or two axes", x.ty()).into()),
    };
    let grams = pool(call)?;
    let size = |name: &str| -> NodeResult<usize> { Ok(usize::try_from(call.int(name, 0)?).unwrap_or(0)) };
    let (least, most, skips) = (size("min_gram_length")?, size("max_gram_length")?, size("max_skip_count")?);
    // What is longer than a row is not in it.
    let (most, skips) = (most.min(length), skips.min(length));
    let width = grams.values().max().map_or(0, |column| column + 1);
    let numbers = x.integers()?;
    let mut counts = vec![0.0; rows.unwrap_or(1) * width];
    for (row, counts) in counts.chunks_mut(width.max(1)).enumerate() {
        let row = &numbers[row * length..(row + 1) * length];
        for step in 1..=skips + 1 {
            // A gram of one number has no steps.
            let least = if step == 1 { least.max(1) } else { least.max(2) };
            for (begin, len) in (0..length).flat_map(|begin| (least..=most).map(move |len| (begin, len))) {
                let gram: Vec<i64> = row[begin..].iter().step_by(step).take(len).copied().collect();
                if let Some(column) = grams.get(&gram).filter(|_| gram.len() == len) {
                    counts[*column] += 1.0;
                }
            }
        }
    }
    let weights = call.node.attributes.floats("weights")?;
    let weight = |place: usize| match &weights {
        Some(weights) => weights.get(place % width.max(1)).map_or(1.0, |weight| f64::from(*weight)),
        None => 1.0,
    };
    let mode = call.text("mode", "")?;
    for (place, count) in counts.iter_mut().enumerate() {
        *count = match mode.as_str() {
            "TF" => *count,
            "IDF" => weight(place) * f64::from(u8::from(*count > 0.0)),
            "TFIDF" => weight(place) * *count,
            other => return unsupported("mode", other),
        };
    }
    let shape = rows.into_iter().chain([width]).collect::<Vec<usize>>();
    host(Array::of_floats(Scalar::F32, &shape, &counts))
}
