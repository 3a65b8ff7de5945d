//! Colours of the kinds of kernels in pictures, and labels that fit.

/// The classes of colours, of which series take one after the other; the last one is for all further ones.
pub const COLORS: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

/// The width of a letter in pixels.
pub const LETTER: f64 = 7.25;

/// Returns the class of colour of each name, in the order in which they come first.
pub fn colors<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, &'static str)> {
    let mut colors: Vec<(&str, &str)> = Vec::new();
    for name in names {
        if colors.iter().all(|(own, _)| *own != name) {
            colors.push((name, COLORS[colors.len().min(COLORS.len() - 1)]));
        }
    }
    colors
}

/// Returns a text that is at most so many letters long, of which the end may be left out.
pub fn cut(text: &str, letters: usize) -> String {
    match text.chars().count() > letters {
        true => text.chars().take(letters.saturating_sub(2)).chain("..".chars()).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_have_colours() {
        assert_eq!([cut("größe", 5), cut("größen", 5), cut("", 0)], ["größe", "grö..", ""]);
        let names: Vec<String> = (0..12).map(|number| format!("n{number}")).collect();
        let colors = colors(["n0", "n0"].into_iter().chain(names.iter().map(String::as_str)));
        assert_eq!((colors.len(), colors[0], colors[1], colors[11]), (12, ("n0", "s0"), ("n1", "s1"), ("n11", "s9")));
    }
}
