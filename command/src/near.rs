//! Names similar to an unknown one.

/// The most names suggested.
const MOST: usize = 3;

/// Returns `; did you mean `softmax`?` if there are similar names, or an empty text.
pub fn hint<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near: Vec<String> = near(wanted, names).iter().map(|name| format!("`{name}`")).collect();
    match near.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

/// Returns the names most similar to `wanted`, best first: names that contain it, and names whose beginning differs
/// from it in few letters. Types in `<..>` count only if `wanted` has them.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let far = wanted.chars().count().div_ceil(3);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for name in names {
        let name = if wanted.contains('<') { name } else { name.split('<').next().unwrap_or(name) };
        let holds = wanted.len() > 2 && name.contains(wanted);
        let beginning: String = name.chars().take(wanted.chars().count()).collect();
        let distance = if holds { 0 } else { distance(wanted, name).min(distance(wanted, &beginning)) };
        if distance <= far && !found.contains(&(distance, name)) {
            found.push((distance, name));
        }
    }
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, name)| name).take(MOST).collect()
}

/// Returns the letters that must be changed, added or removed (the Levenshtein distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let names = ["softmax<f32>", "softmax<f16>", "matmul_mma", "matmul_wgmma", "layer_norm"];
        let hint = |wanted| hint(wanted, names.into_iter());
        assert_eq!(hint("sofmax"), "; did you mean `softmax`?");
        assert_eq!(hint("softmax<f64>"), "; did you mean `softmax<f32>` or `softmax<f16>`?");
        assert_eq!(hint("mma"), "; did you mean `matmul_mma` or `matmul_wgmma`?");
        assert_eq!(hint("mutmal"), "; did you mean `matmul_mma` or `matmul_wgmma`?");
        assert_eq!(hint("nosuch"), "");
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("größe", "große")), (3, 2, 1));
    }
}
