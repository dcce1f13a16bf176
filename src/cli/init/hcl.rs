//! Terraform as text: resources, blocks and arguments in the form that `terraform fmt` gives them.

use std::fmt::Write as _;

use crate::domain::text::is_hidden;

/// A block, or a resource: arguments first, then what is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    head: String,
    arguments: Vec<(String, String)>,
    inner: Vec<Block>,
}

/// A value as it stands.
pub(super) struct Raw(String);

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Raw(text.to_owned())
    }
}

impl From<String> for Raw {
    fn from(text: String) -> Self {
        Raw(text)
    }
}

impl From<i32> for Raw {
    fn from(number: i32) -> Self {
        Raw(number.to_string())
    }
}

impl Block {
    pub(super) fn new(head: impl Into<String>) -> Self {
        Block { head: head.into(), ..Block::default() }
    }

    pub(super) fn resource(kind: &str, name: &str) -> Self {
        Block::new(format!("resource \"{kind}\" \"{}\"", label(name)))
    }

    /// An argument whose value is written as it stands.
    pub(super) fn raw(mut self, name: &str, value: impl Into<Raw>) -> Self {
        self.arguments.push((name.to_owned(), value.into().0));
        self
    }

    /// An argument that is a text.
    pub(super) fn text(self, name: &str, value: &str) -> Self {
        let quoted = text(value);
        self.raw(name, quoted)
    }

    /// An argument, where there is a value.
    pub(super) fn given<T>(self, name: &str, value: Option<T>, write: fn(T) -> String) -> Self {
        match value {
            Some(value) => self.raw(name, write(value)),
            None => self,
        }
    }

    pub(super) fn block(mut self, inner: Block) -> Self {
        self.inner.push(inner);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.arguments.is_empty() && self.inner.is_empty()
    }

    /// Its lines, indented by so much.
    pub(super) fn write(&self, indent: &str) -> String {
        let mut lines = format!("{indent}{} {{\n", self.head);
        let widest = self.arguments.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in &self.arguments {
            let _ = writeln!(lines, "{indent}  {name:<widest$} = {value}");
        }
        for inner in &self.inner {
            lines.push_str(&inner.write(&format!("{indent}  ")));
        }
        lines + indent + "}\n"
    }
}

/// A name as Terraform calls a resource.
pub(super) fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let label: String = name.chars().map(plain).collect();
    if label.starts_with(|c: char| c.is_ascii_alphabetic()) { label } else { format!("_{label}") }
}

/// A text as Terraform writes it, with nothing that it would fill in.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (n, c) in text.char_indices() {
        let opens = text[n + c.len_utf8()..].starts_with('{');
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' | '%' if opens => quoted.extend([c, c]),
            c if is_hidden(c) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terraform_fills_nothing_into_a_name() {
        assert_eq!(text("web-blue"), "\"web-blue\"");
        assert_eq!(text("a\"b\\${x}%{y}$"), "\"a\\\"b\\\\$${x}%%{y}$\"");
        assert_eq!(text("a\nb"), "\"a\\U0000000Ab\"");
        assert_eq!(label("1 web\" {"), "_1_web___");
    }

    #[test]
    fn arguments_are_in_line_and_blocks_come_after_them() {
        let block = Block::new("a").block(Block::new("b").raw("c", 1)).raw("long", "true").text("d", "e");
        assert_eq!(block.write(""), "a {\n  long = true\n  d    = \"e\"\n  b {\n    c = 1\n  }\n}\n");
    }
}
