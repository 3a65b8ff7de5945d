//! Comments, documentation and messages use the terms of the field, in plain English that one can search for.
//!
//! To mend a finding, write what its message proposes. A sentence that is right nevertheless goes into [`ALLOWED`].

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod source;

use std::fs;
use std::path::Path;

use source::{FOLDERS, sources, split};

/// Phrases that are refused, and what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("for ever", "`forever`"),
    ("first-level | level-one cache", "`L1`"),
    ("second-level | level-two cache", "`L2`"),
    ("copy engine | copy engines | accelerator | accelerators", "`TMA`"),
    ("by turns", "`interleaved`"),
    (
        "a turn | one turn | each turn | every turn | the turn | many turns | turns of",
        "`iteration` or `trip count` of a loop, `time slice` of a measurement, `lock` of a device or file",
    ),
    ("bout | bouts", "`run` or `comparison`"),
    ("rival | rivals", "`baseline`"),
    ("page-locked | page locked", "`pinned`"),
    ("small floats | small float", "`half precision`, or the names of the types"),
    ("odd f32 | odd floats", "`f32 rounded to odd`"),
    ("one meeting | a meeting | meeting of", "`barrier`"),
    ("whoever", "who it is: `the caller`, `the printer`, `the thread that ..`"),
    ("told | is said | are said | not said", "`reported`, `given`, `specified` or `printed`"),
    ("comes by | come by | came by", "`obtains`, or where it is from"),
    ("lies well | lie well", "`is aligned`"),
    ("is none | are none", "what it is instead, or `is not one`"),
    ("otherwise the reason | or the reason | otherwise why | , or why", "`Returns .., or an error if ..`"),
    ("; why there | ; why it | ; why not | and nothing is wrong", "`Returns .., or an error if ..`"),
    ("none otherwise | nothing otherwise", "`Returns .., or None if ..`"),
    ("where there is one | where there is none", "`if there is one`, `if any`, or the condition"),
];

/// What is counted in "threads per block".
const COUNTED: &str = "threads warps blocks lanes bytes bits elements registers rows columns words accesses floats values \
    products operands instructions chunks groups banks sectors transactions tiles items numbers kernels \
    barriers ns us ms multiprocessors clusters";

/// As in "one a lane", "two blocks a multiprocessor".
const NUMBERS: &str = "one two three four five six seven eight sixteen half";

/// What things are counted by.
const COUNTED_BY: &str = "block warp thread multiprocessor sm cluster row lane element instruction kernel launch iteration \
    column second tile step stage round grid group call file axis dimension problem";

/// After these "elements a lane owns" is a relative clause.
const VERBS: &str = "may must can cannot could does has had have holds owns takes computes reads writes stores loads copies \
    gets needs uses gives wants is was knows allows";

/// After these "a thread" is not what something is counted by.
const PREPOSITIONS: &str = "by before after of in for to on at with from than as is has and or";

/// What may follow "is no".
const COMPARED: &str = "longer more less larger smaller faster slower greater better worse lower higher earlier later \
    matter different reason";

/// Sentences that are right: the file, the phrase as the message quotes it, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("ARCHITECTURE.md", "accelerator", "the glossary spells TMA out once"),
    ("ARCHITECTURE.md", "page-locked", "the glossary explains pinned memory by it"),
    ("hidet-core/src/cuda/pinned.rs", "page-locked", "explains pinned memory"),
    ("hidet-core/src/device/pinned.rs", "page-locked", "explains pinned memory"),
    ("hidet-core/src/dsl/intrinsics/tma.rs", "accelerator", "spells TMA out once, where its users look"),
];

/// A word or a punctuation mark in lower case, and its line. Paragraphs and strings are separated by a line feed.
#[derive(Clone)]
struct Word {
    text: String,
    line: usize,
}

/// A line feed: what no phrase crosses.
const BREAK: &str = "\n";

/// Adds the words of a text that begins at `line`.
fn words_of(text: &str, mut line: usize, found: &mut Vec<Word>) {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let begin = at;
        at += 1;
        if c.is_alphanumeric() || c == '_' {
            // A hyphen or an apostrophe within a word belongs to it.
            let inside = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
            while inside(at) || (matches!(chars.get(at), Some('-' | '\'')) && inside(at + 1)) {
                at += 1;
            }
        }
        if !c.is_whitespace() {
            let text: String = chars[begin..at].iter().collect();
            found.push(Word { text: text.to_lowercase(), line });
        } else if c == '\n' {
            line += 1;
        }
    }
}

fn end_phrase(line: usize, found: &mut Vec<Word>) {
    found.push(Word { text: BREAK.to_owned(), line });
}

/// The words of comments and strings. The lines of one comment are one text; a doc comment begins with its marker.
fn words_of_rust(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut before = "";
    for (line, part, is_text) in split(text) {
        let marker = ["///", "//!", "//"].into_iter().find(|marker| part.starts_with(marker)).filter(|_| is_text);
        match marker {
            _ if !is_text => {
                if !part.trim().is_empty() {
                    before = "";
                }
            }
            Some(marker) => {
                let inside = &part[marker.len()..];
                if before != marker || inside.trim().is_empty() {
                    end_phrase(line, &mut found);
                }
                if before != marker && marker != "//" {
                    found.push(Word { text: marker.to_owned(), line });
                }
                words_of(inside, line, &mut found);
                before = marker;
            }
            None => {
                before = "";
                end_phrase(line, &mut found);
                // A line that ends with a backslash goes on; an escaped line feed ends a phrase.
                let mut line = line;
                for piece in part.replace("\\\n", " \n").replace("{{", " ").replace("}}", " ").split("\\n") {
                    words_of(piece, line, &mut found);
                    line += piece.matches('\n').count();
                    end_phrase(line, &mut found);
                }
            }
        }
    }
    found
}

/// The words of Markdown: empty lines, headings, items and cells of tables end a phrase.
fn words_of_markdown(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    for (line, text) in text.lines().enumerate() {
        if text.trim().is_empty() || text.trim_start().starts_with(['#', '-', '*', '|', '`']) {
            end_phrase(line + 1, &mut found);
        }
        words_of(text, line + 1, &mut found);
    }
    found.retain(|word| word.text != "*");
    found.iter_mut().filter(|word| word.text == "|").for_each(|word| word.text = BREAK.to_owned());
    found
}

/// A phrase that should be other words: where it begins, how many words it has, and what to write instead.
struct Finding {
    at: usize,
    length: usize,
    instead: String,
}

/// Phrases of the table.
fn listed(words: &[Word]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (phrases, instead) in PHRASES {
        for phrase in phrases.split(" | ") {
            let mut parts = Vec::new();
            words_of(phrase, 0, &mut parts);
            for at in (0..words.len()).filter(|at| words[*at].text == parts[0].text) {
                let here = words[at..].iter().map(|word| &word.text).take(parts.len());
                // "There is none" is English.
                let there = phrase.ends_with("none") && at > 0 && words[at - 1].text == "there";
                if here.eq(parts.iter().map(|word| &word.text)) && !there {
                    found.push(Finding { at, length: parts.len(), instead: (*instead).to_owned() });
                }
            }
        }
    }
    found
}

fn is_of(word: &str, list: &str) -> bool {
    list.split_whitespace().any(|own| own == word)
}

fn is_number(word: &str) -> bool {
    is_of(word, NUMBERS) || (!word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '_'))
}

/// "Threads a block", "one bit a lane", "128 a warp group" and "one a row".
fn per(words: &[Word]) -> Vec<Finding> {
    let text = |at: usize| words.get(at).map_or(BREAK, |word| &*word.text);
    let mut found = Vec::new();
    for at in 1..words.len() {
        let of_group = matches!(text(at + 1), "warp" | "bulk") && text(at + 2) == "group";
        let by = at + 1 + usize::from(of_group);
        if !matches!(text(at), "a" | "an") || !is_of(text(by), COUNTED_BY) || is_of(text(by + 1), VERBS) {
            continue;
        }
        let one_of_them = at > 1
            && text(at - 2) == "one"
            && text(at - 1).starts_with(char::is_alphanumeric)
            && !is_of(text(at - 1), PREPOSITIONS);
        let begin = at - 1 - usize::from(one_of_them);
        if one_of_them || is_number(text(at - 1)) || is_of(text(at - 1), COUNTED) {
            let words: Vec<&str> = (at + 1..=by).map(text).collect();
            let unit = words.join(" ");
            let instead = format!("`per {unit}`, or `that {} {unit} ..` in a relative clause", text(at));
            found.push(Finding { at: begin, length: by + 1 - begin, instead });
        }
    }
    found
}

/// "This is no architecture" where it is not an architecture.
fn is_no(words: &[Word]) -> Vec<Finding> {
    let text = |at: usize| words.get(at).map_or(BREAK, |word| &*word.text);
    let begins = |at: &usize| matches!(text(*at), "is" | "are" | "was" | "were") && text(at + 1) == "no";
    let there = |at: &usize| *at > 0 && matches!(text(at - 1), "there" | "still");
    (0..words.len())
        .filter(|at| begins(at) && !there(at) && !is_of(text(at + 2), COMPARED))
        .map(|at| {
            let what = text(at + 2);
            let article = match text(at) {
                "are" | "were" => "",
                _ if what.starts_with(['a', 'e', 'i', 'o']) => "an ",
                _ => "a ",
            };
            Finding { at, length: 3, instead: format!("`{} not {article}{what}`", text(at)) }
        })
        .collect()
}

/// Documentation that begins with "Whether".
fn whether(words: &[Word]) -> Vec<Finding> {
    let begins = |pair: &[Word]| matches!(&*pair[0].text, "///" | "//!") && pair[1].text == "whether";
    let found = words.windows(2).enumerate().filter(|(_, pair)| begins(pair));
    found
        .map(|(at, _)| Finding { at, length: 2, instead: "`Returns true if ..`, or what the flag does".to_owned() })
        .collect()
}

/// Line, phrase and what to write instead, for each phrase of a file that should be other words.
fn findings(file: &str, text: &str) -> Vec<(usize, String, String)> {
    let words = if file.ends_with(".md") { words_of_markdown(text) } else { words_of_rust(text) };
    let mut found: Vec<Finding> =
        [listed(&words), per(&words), is_no(&words), whether(&words)].into_iter().flatten().collect();
    found.sort_by_key(|finding| finding.at);
    let quoted = |finding: &Finding| {
        let words = &words[finding.at..finding.at + finding.length];
        words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ")
    };
    found.into_iter().map(|finding| (words[finding.at].line, quoted(&finding), finding.instead)).collect()
}

#[test]
fn phrases_are_found_in_comments_and_strings_over_line_ends() {
    let text = "//! Waits for\n//! ever.\n\n/// Whether it is so.\nfn is_no() { error(\"`0` is no extent\"); } // 4 bytes\n\
        // a lane\n/// Elements a lane owns, blocks a multiprocessor, one warp a row\n/// and 128 a warp group.\n\
        let a = \"64 threads \\\n    a block\";\n/// There is no GPU, x is no longer\n///\n/// ever.\n";
    let found: Vec<(usize, String)> =
        findings("a.rs", text).into_iter().map(|(line, phrase, _)| (line, phrase)).collect();
    let expected = [
        (1, "for ever"),
        (4, "/// whether"),
        (5, "is no extent"),
        (5, "bytes a lane"),
        (7, "blocks a multiprocessor"),
        (7, "one warp a row"),
        (8, "128 a warp group"),
        (9, "threads a block"),
    ];
    assert_eq!(found, expected.map(|(line, phrase)| (line, phrase.to_owned())));
    let cells = "One | a row\n\nwaits for\never, with rivals\n\nfor\n\never\n";
    let found: Vec<(usize, String, String)> = findings("a.md", cells);
    assert_eq!(found[0], (3, "for ever".to_owned(), "`forever`".to_owned()));
    assert_eq!((found[1].0, &*found[1].1, found.len()), (4, "rivals", 2));
}

#[test]
fn words_are_those_of_the_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = ["README.md", "ARCHITECTURE.md", "FEATURES.md"].map(|file| root.join(file)).to_vec();
    for extension in ["rs", "md"] {
        FOLDERS.iter().for_each(|folder| sources(&root.join(folder), extension, &mut files));
    }
    let mut used = vec![false; ALLOWED.len()];
    let mut wrong = Vec::new();
    for path in files {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap();
        // This file quotes what it refuses.
        if file == "tests/words.rs" {
            continue;
        }
        for (line, phrase, instead) in findings(file, &fs::read_to_string(&path).unwrap()) {
            match ALLOWED.iter().position(|(own, allowed, _)| *own == file && *allowed == phrase) {
                Some(entry) => used[entry] = true,
                None => wrong.push(format!("{file}:{line}: \"{phrase}\": write {instead}")),
            }
        }
    }
    for ((file, phrase, _), _) in ALLOWED.iter().zip(used).filter(|(_, used)| !used) {
        wrong.push(format!("{file} has no \"{phrase}\" any more: remove it from `ALLOWED`"));
    }
    assert!(wrong.is_empty(), "not the terms of the field:\n{}", wrong.join("\n"));
}
