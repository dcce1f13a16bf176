//! Where something stands in a JSON text.

use std::fmt;

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    Item(usize),
}

/// A line and a column, counted from 1 in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where the last step of `path` begins in `text`: a field's name, or a list's item; where it is not there, what holds it.
pub(super) fn mark(text: &str, path: &[Step]) -> Mark {
    let mut scan = Scan { text: text.as_bytes(), at: 0 };
    let mut found = 0;
    for step in path {
        match scan.step(step) {
            Some(at) => found = at,
            None => break,
        }
    }
    let before = text.get(..found).unwrap_or_default();
    let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    Mark { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}

/// A look through JSON that is known to be sound.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn blank(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.blank();
        self.text.get(self.at).copied()
    }

    /// Goes to the value that a step leads to, from the value before it; where the step itself begins.
    fn step(&mut self, step: &Step) -> Option<usize> {
        let open = self.peek()?;
        self.at += 1;
        let mut index = 0;
        loop {
            if matches!(self.peek()?, b'}' | b']') {
                return None;
            }
            let begins = self.at;
            let is_it = match step {
                Step::Field(name) if open == b'{' => {
                    self.value();
                    let key = std::str::from_utf8(self.text.get(begins..self.at)?).ok()?;
                    let key: String = serde_json::from_str(key).ok()?;
                    self.peek()?;
                    self.at += 1;
                    self.blank();
                    key == *name
                }
                Step::Item(item) if open == b'[' => index == *item,
                _ => return None,
            };
            if is_it {
                return Some(begins);
            }
            self.value();
            index += 1;
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
    }

    /// Passes over a value.
    fn value(&mut self) {
        let mut depth = 0;
        loop {
            match self.peek() {
                None => return,
                Some(b'"') => self.string(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {
                    let ends = |byte: &u8| b",:]}".contains(byte) || byte.is_ascii_whitespace();
                    while self.text.get(self.at).is_some_and(|byte| !ends(byte)) {
                        self.at += 1;
                    }
                }
            }
            if depth <= 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path() {
        let text = "{\n  \"a\": [1, {\"b\\\"}\": \"]\", \"c\": -2.5e3}],\n  \"ü\": {\"d\": null}, \"e\": true\n}";
        let field = |name: &str| Step::Field(name.to_owned());
        let check = |path: &[Step], line, column| assert_eq!(mark(text, path), Mark { line, column }, "{path:?}");
        check(&[], 1, 1);
        check(&[field("a")], 2, 3);
        check(&[field("a"), Step::Item(1)], 2, 12);
        check(&[field("a"), Step::Item(1), field("c")], 2, 26);
        check(&[field("ü"), field("d")], 3, 9);
        check(&[field("e")], 3, 21);
        // What is not there is told where it would be.
        check(&[field("ü"), field("x")], 3, 3);
    }
}
