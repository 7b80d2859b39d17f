//! `target/bench-report/index.html`: a section for each bench, of the last time that it ran.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::stop::{Outcome, failed};
use crate::workspace::Workspace;

const HEAD: &str = "<!doctype html><meta charset=utf-8><title>dailey: what was measured</title>\
    <style>body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
    td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}svg text{font:12px sans-serif}</style>\
    <h1>What was measured</h1>\
    <p>Each section is of the last time that its bench ran here; <code>cargo xtask bench</code> renews all of them.</p>";

/// Where the sections are kept.
pub(super) struct Page {
    folder: PathBuf,
}

impl Page {
    pub(super) fn of(workspace: &Workspace) -> Outcome<Self> {
        let folder = workspace.root().join("target/bench-report");
        fs::create_dir_all(&folder)
            .map_err(|error| failed("cannot make target/bench-report", error))?;
        Ok(Self { folder })
    }

    /// The file of a bench's section, HTML without a heading.
    pub(super) fn section(&self, bench: &str) -> PathBuf {
        self.folder.join(bench).with_extension("html")
    }

    /// Keeps a section.
    pub(super) fn keep(&self, bench: &str, html: &str) -> Outcome<()> {
        fs::write(self.section(bench), html)
            .map_err(|error| failed("cannot write the report", error))
    }

    /// Puts together those of these benches that ever ran; returns the page's path.
    pub(super) fn write<'a>(&self, benches: impl Iterator<Item = &'a str>) -> Outcome<PathBuf> {
        let mut page = HEAD.to_owned();
        for bench in benches {
            if let Ok(section) = fs::read_to_string(self.section(bench)) {
                let _ = write!(page, "<h2>{}</h2>{section}", bench.replace('_', " "));
            }
        }
        let path = self.folder.join("index.html");
        fs::write(&path, page).map_err(|error| failed("cannot write the report", error))?;
        Ok(path)
    }
}

/// A section that is text.
pub(super) fn of_text(text: &str) -> String {
    format!("<pre>{}</pre>", escaped(text))
}

/// A section that is one table of Markdown.
pub(super) fn of_table(table: &str) -> String {
    let rows = table.lines().filter(|line| !line.starts_with("| ---"));
    let mut html = "<table>".to_owned();
    for (number, row) in rows.enumerate() {
        let cell = if number == 0 { "th" } else { "td" };
        html += "<tr>";
        for text in row.trim_matches('|').split('|') {
            let _ = write!(html, "<{cell}>{}", escaped(text.trim()));
        }
    }
    html + "</table>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_markdown_is_one_of_html() {
        let table = "| | a < b |\n| --- | ---: |\n| one | 1 |\n";
        assert_eq!(
            of_table(table),
            "<table><tr><th><th>a &lt; b<tr><td>one<td>1</table>"
        );
    }

    #[test]
    fn the_page_has_what_ran_in_the_order_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let page = Page {
            folder: folder.path().to_owned(),
        };
        page.keep("token_cache", &of_text("1 & 2")).unwrap();
        page.keep("peers", "<p>p</p>").unwrap();
        let path = page
            .write(["verify", "peers", "token_cache"].into_iter())
            .unwrap();
        let text = fs::read_to_string(path).unwrap();
        let sections = "<h2>peers</h2><p>p</p><h2>token cache</h2><pre>1 &amp; 2</pre>";
        assert_eq!(text.strip_prefix(HEAD), Some(sections));
    }
}
