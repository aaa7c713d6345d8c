//! Names in a language's case, and documentation in a language's words and lines.

use super::contract::{Contract, Docs, Function};

/// `log_softmax`
pub fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `logSoftmax`
pub fn camel(name: &str) -> String {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &capitalized(part))
}

/// `LogSoftmax`
pub fn pascal(name: &str) -> String {
    name.split('-').map(capitalized).collect()
}

/// `LOG_SOFTMAX`
pub fn shouted(name: &str) -> String {
    snake(name).to_uppercase()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// The words of a language for what documentation names in backticks.
pub struct Words<'a> {
    pub contract: &'a Contract,
    /// The tensor that a method belongs to.
    pub this: &'a str,
    pub kind: fn(&str) -> String,
    pub reduction: fn(&str) -> String,
}

impl Words<'_> {
    /// What there is to say of a function whose parameters have `names` in the language: its documentation, errors and
    /// permission, a paragraph each.
    pub fn paragraphs(&self, function: &Function, names: &[String]) -> Vec<String> {
        self.told(&function.docs, function, names)
    }

    /// The same of a form of the function, which the table describes in words of its own.
    pub fn of_form(&self, function: &Function, names: &[String], description: &str) -> Vec<String> {
        self.told(&Docs { paragraphs: vec![description.to_owned()], ..function.docs.clone() }, function, names)
    }

    /// What holds for the whole section that begins with a function. Its title is no part of it.
    pub fn of_section(&self, function: &Function, names: &[String]) -> Vec<String> {
        let mut docs = function.section.clone();
        docs.paragraphs.drain(..1.min(docs.paragraphs.len()));
        self.told(&docs, function, names)
    }

    fn told(&self, docs: &Docs, function: &Function, names: &[String]) -> Vec<String> {
        let rename = |word: &str| self.rename(function, names, word);
        let mut paragraphs: Vec<String> = docs.paragraphs.iter().map(|text| in_code(text, rename)).collect();
        paragraphs.extend(docs.errors.iter().map(|errors| format!("Errors: {}", in_code(errors, rename))));
        paragraphs.extend(docs.permission.iter().map(|permission| format!("Needs the permission {permission}.")));
        paragraphs
    }

    fn rename(&self, function: &Function, names: &[String], word: &str) -> Option<String> {
        if word == "self" {
            return Some(self.this.to_owned());
        }
        let position = function.parameters.iter().position(|parameter| parameter.name == word);
        if let Some(name) = position.and_then(|position| names.get(position)) {
            return Some(name.clone());
        }
        if self.contract.kinds.iter().any(|kind| kind.name == word) {
            return Some((self.kind)(word));
        }
        let is_reduction = self.contract.reductions.iter().any(|reduction| reduction.name == word);
        (is_reduction && function.parameters.iter().any(|parameter| parameter.name == "reduction"))
            .then(|| (self.reduction)(word))
    }
}

/// The text with words in backticks renamed.
fn in_code(text: &str, rename: impl Fn(&str) -> Option<String>) -> String {
    let mut made = String::new();
    for (position, part) in text.split('`').enumerate() {
        if position > 0 {
            made.push('`');
        }
        // Every other part stands between two backticks.
        if position % 2 == 0 { made.push_str(part) } else { made.push_str(&renamed(part, &rename)) }
    }
    made
}

/// The code with its words renamed. A word begins with a letter, so that `-self` is a sign and a word.
fn renamed(code: &str, rename: impl Fn(&str) -> Option<String>) -> String {
    let (mut made, mut word) = (String::new(), String::new());
    for letter in code.chars().chain(['\0']) {
        if letter.is_ascii_alphanumeric() || (letter == '-' && !word.is_empty()) {
            word.push(letter);
            continue;
        }
        let ended = std::mem::take(&mut word);
        made.push_str(&rename(&ended).unwrap_or(ended));
        if letter != '\0' {
            made.push(letter);
        }
    }
    made
}

/// The text in lines of at most `width` characters, not broken within backticks.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut is_code) = (vec![], String::new(), false);
    let mut length = 0;
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        is_code ^= letter == '`';
        if letter != ' ' || is_code {
            word.push(letter);
            continue;
        }
        let added = word.chars().count();
        if length > 0 && length + 1 + added > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(&std::mem::take(&mut word));
        length += added;
    }
    lines.push(line);
    lines
}

/// Paragraphs as lines with `prefix` in front, an empty comment line between paragraphs.
pub fn comment(paragraphs: &[String], prefix: &str) -> String {
    let mut lines = vec![];
    for paragraph in paragraphs {
        if !lines.is_empty() {
            lines.push(prefix.trim_end().to_owned());
        }
        lines.extend(wrap(paragraph, 120 - prefix.len()).into_iter().map(|line| format!("{prefix}{line}")));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The one line at the top of a generated file, as a comment that begins with `open` and ends with `close`.
pub fn header(open: &str, close: &str) -> String {
    format!("{open} Generated from wit/ by `cargo xtask sdk`; do not edit.{close}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_renamed_in_code_alone() {
        let rename = |word: &str| match word {
            "self" => Some("this".to_owned()),
            "keep-dims" => Some("keepDims".to_owned()),
            _ => None,
        };
        assert_eq!(
            in_code("self, `-self` if `keep-dims`: `1 / self`", rename),
            "self, `-this` if `keepDims`: `1 / this`"
        );
    }

    #[test]
    fn lines_are_not_broken_in_code() {
        assert_eq!(wrap("of `[a, b, c]` and d", 10), ["of", "`[a, b, c]`", "and d"]);
    }

    #[test]
    fn names_take_the_case_of_a_language() {
        let name = "log-softmax";
        let all = [snake(name), camel(name), pascal(name), shouted(name)];
        assert_eq!(all, ["log_softmax", "logSoftmax", "LogSoftmax", "LOG_SOFTMAX"]);
    }
}
