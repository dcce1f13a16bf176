//! Parameters have names: a tuple of several saves an argument and makes every caller count places.

use super::{Source, code_of, find, settle, sources};

/// How many parameters of shipped functions are tuples that are taken apart. It only shrinks: what belongs together is
/// a small struct that says what it is.
const TUPLES: usize = 116;

/// What a function takes and gives: from its name to its body.
fn signatures(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    find(&source.shipped, "fn ").map(|at| (at, signature(&source.shipped[at..])))
}

/// The beginning of `code`, up to the first brace or semicolon outside of parentheses.
fn signature(code: &str) -> &str {
    let mut depth = 0;
    let ends = |letter: char| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth == 0 && matches!(letter, '{' | ';')
    };
    &code[..code.find(ends).unwrap_or(code.len())]
}

/// Where a function takes a tuple apart.
fn tuples(source: &Source) -> Vec<String> {
    let all = signatures(source);
    all.flat_map(|(at, signature)| signature.match_indices("): (").map(move |(within, _)| at + within))
        .map(|at| source.place(at))
        .collect()
}

#[test]
fn tuples_among_parameters_do_not_multiply() {
    let found: Vec<String> = sources().iter().flat_map(tuples).collect();
    assert!(found.len() > 20, "{} tuples; are signatures read right?", found.len());
    if found.len() > TUPLES {
        settle(&format!("{} tuples, {TUPLES} at most; name a struct instead of the new one:", found.len()), &found);
    }
    assert_eq!(
        found.len(),
        TUPLES,
        "there are fewer: lower TUPLES in tests/signatures/mod.rs, so that none comes back"
    );
}

#[test]
fn only_a_functions_own_tuples_count() {
    let text =
        "fn a((b, c): (u8, u8), d: u8) -> u8 { let e = |(f, g): (u8, u8)| f + g; e((b, c)) + d }\nfn h(i: (u8, u8));\n";
    let code = code_of(text);
    let source = Source { path: "src/a.rs".to_owned(), text: text.to_owned(), shipped: code.clone(), code };
    assert_eq!(tuples(&source), ["src/a.rs:1"]);
}
