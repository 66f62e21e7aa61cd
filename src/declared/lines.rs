//! On which line each name of a document stands.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::path::Path;

/// By path.
pub type Lines = BTreeMap<Path, usize>;

/// Of TOML that was read already.
pub fn of_toml(text: &str) -> Lines {
    let mut lines = Lines::new();
    if let Ok(table) = DeTable::parse(text) {
        let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |offset: usize| starts.partition_point(|newline| *newline < offset) + 1;
        toml_table(table.get_ref(), &Path::default(), &line, &mut lines);
    }
    lines
}

fn toml_table(table: &DeTable<'_>, path: &Path, line: &impl Fn(usize) -> usize, lines: &mut Lines) {
    for (name, value) in table {
        let path = path.member(name.get_ref());
        lines.insert(path.clone(), line(name.span().start));
        toml_value(value.get_ref(), &path, line, lines);
    }
}

fn toml_value(value: &DeValue<'_>, path: &Path, line: &impl Fn(usize) -> usize, lines: &mut Lines) {
    if let Some(table) = value.as_table() {
        toml_table(table, path, line, lines);
    }
    for (index, entry) in value.as_array().into_iter().flat_map(|entries| entries.iter()).enumerate() {
        let path = path.entry(index);
        lines.insert(path.clone(), line(entry.span().start));
        toml_value(entry.get_ref(), &path, line, lines);
    }
}

/// Of JSON that was read already, and the first name that an object has twice: the reader takes the last one without a word.
pub fn of_json(text: &str) -> (Lines, Option<Path>) {
    let mut scanner = Scanner { rest: text, line: 1, lines: Lines::new(), twice: None };
    scanner.value(&Path::default());
    (scanner.lines, scanner.twice)
}

/// Goes over JSON that is known to be sound.
struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    lines: Lines,
    twice: Option<Path>,
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, length: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(length);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
        skipped
    }

    fn skip_while(&mut self, skipped: impl Fn(char) -> bool) {
        let length = self.rest.find(|character| !skipped(character)).unwrap_or(self.rest.len());
        self.skip(length);
    }

    /// Past white space and, if it comes next, this.
    fn take(&mut self, wanted: char) -> bool {
        self.skip_while(char::is_whitespace);
        let comes = self.rest.starts_with(wanted);
        if comes {
            self.skip(wanted.len_utf8());
        }
        comes
    }

    fn value(&mut self, path: &Path) {
        if self.take('{') {
            while !self.take('}') && !self.rest.is_empty() {
                self.take(',');
                self.take('"');
                let line = self.line;
                let path = path.member(&self.string());
                if self.lines.insert(path.clone(), line).is_some() {
                    self.twice.get_or_insert_with(|| path.clone());
                }
                self.take(':');
                self.value(&path);
            }
        } else if self.take('[') {
            let mut index = 0;
            while !self.take(']') && !self.rest.is_empty() {
                self.take(',');
                self.skip_while(char::is_whitespace);
                let path = path.entry(index);
                self.lines.insert(path.clone(), self.line);
                self.value(&path);
                index += 1;
            }
        } else if self.take('"') {
            self.string();
        } else {
            self.skip_while(|character| !matches!(character, ',' | ']' | '}') && !character.is_whitespace());
        }
    }

    /// Past a string whose opening quotation mark is gone.
    fn string(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest.find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        let written = self.skip(end.unwrap_or(self.rest.len()));
        self.take('"');
        serde_json::from_str(&format!("\"{written}\"")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(lines: &Lines, path: &[&str]) -> Option<usize> {
        lines.get(&Path(path.iter().map(|&name| name.to_owned()).collect())).copied()
    }

    #[test]
    fn lines_of_toml_are_those_of_the_names() {
        let lines = of_toml("version = 1\n\n[clients.\"a.b\"]\nscope = 'x'\nuris = [\n  'a',\n  'b',\n]\n[[keys]]\nk = 1\n");
        for (path, expected) in [
            (&["version"][..], 1),
            (&["clients", "a.b"], 3),
            (&["clients", "a.b", "scope"], 4),
            (&["clients", "a.b", "uris", "[1]"], 7),
            (&["keys", "[0]", "k"], 10),
        ] {
            assert_eq!(line(&lines, path), Some(expected), "{path:?}");
        }
    }

    #[test]
    fn lines_of_json_are_those_of_the_names() {
        let text = "{\"version\": 1,\n \"clients\": {\n  \"a\\\"}b\": {\"uris\": [\"{\",\n \"]\\\\\"], \"n\": -1.5e3, \"e\": {}, \"f\": [],\n \"last\": null}}}";
        serde_json::from_str::<serde_json::Value>(text).expect("sound");
        let (lines, twice) = of_json(text);
        assert_eq!(twice, None);
        for (path, expected) in [
            (&["version"][..], 1),
            (&["clients"], 2),
            (&["clients", "a\"}b"], 3),
            (&["clients", "a\"}b", "uris", "[1]"], 4),
            (&["clients", "a\"}b", "f"], 4),
            (&["clients", "a\"}b", "last"], 5),
        ] {
            assert_eq!(line(&lines, path), Some(expected), "{path:?}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_in_json_is_found() {
        let (_, twice) = of_json(r#"{"a": {"b": 1}, "b": 2, "a": {"c": [{"d": 1}, {"d": 2}]}}"#);
        assert_eq!(twice, Some(Path(vec!["a".to_owned()])));
        assert_eq!(of_json(r#"{"c": [{"d": 1}, {"d": 2}]}"#).1, None);
    }
}
