//! What was measured, as text for a terminal and as a section of the report's page, with plots.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::behaviour::Behaviour;
use crate::speed::Speed;
use crate::verdicts::Verdicts;

/// Above this spread of the bare operation the machine was too busy for ratios.
const CALM: f64 = 1.3;

/// Everything.
#[derive(Serialize)]
pub struct Report {
    pub machine: Vec<String>,
    pub rounds: usize,
    pub speed: Vec<Speed>,
    pub verdicts: Vec<Verdicts>,
    pub behaviour: Vec<Behaviour>,
}

impl Report {
    /// Writes the section, and the same as JSON beside it; returns the text.
    pub fn write(&self, section: &Path) -> String {
        let json = serde_json::to_string_pretty(self).expect("plain data");
        std::fs::write(section.with_extension("json"), json).expect("a writable folder");
        std::fs::write(section, self.section()).expect("a writable folder");
        self.text()
    }

    /// The text alone.
    pub fn text(&self) -> String {
        let mut text = self.machine.join("\n") + "\n";
        for table in self.tables() {
            let _ = writeln!(text, "\n{}\n{}", table.title, table.note);
            let widths: Vec<usize> = (0..table.head.len())
                .map(|column| {
                    let cells = table.rows.iter().map(|row| row[column].chars().count());
                    cells
                        .chain([table.head[column].chars().count()])
                        .max()
                        .unwrap_or_default()
                })
                .collect();
            let head = table.head.iter().map(|cell| (*cell).to_owned()).collect();
            for row in std::iter::once(&head).chain(&table.rows) {
                let cells = row
                    .iter()
                    .zip(&widths)
                    .enumerate()
                    .map(|(column, (cell, width))| {
                        if column == 0 {
                            format!("{cell:<width$}")
                        } else {
                            format!("{cell:>width$}")
                        }
                    });
                let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
            }
        }
        text
    }

    fn section(&self) -> String {
        let mut page = String::new();
        let _ = write!(
            page,
            "<p>{}</p>",
            self.machine
                .iter()
                .map(|line| escaped(line))
                .collect::<Vec<_>>()
                .join("<br>")
        );
        let plots = [self.speed_plot(), self.verdict_plot(), String::new()];
        for (table, plot) in self.tables().iter().zip(plots) {
            let _ = write!(
                page,
                "<h3>{}</h3><p>{}</p>{plot}<table><tr>",
                escaped(table.title),
                escaped(&table.note)
            );
            for cell in &table.head {
                let _ = write!(page, "<th>{}", escaped(cell));
            }
            for row in &table.rows {
                page.push_str("<tr>");
                for cell in row {
                    let _ = write!(page, "<td>{}", escaped(cell));
                }
            }
            page.push_str("</table>");
        }
        page
    }

    fn tables(&self) -> [Table; 3] {
        [
            self.speed_table(),
            self.verdict_table(),
            self.behaviour_table(),
        ]
    }

    fn speed_table(&self) -> Table {
        let busy = self.speed.first().is_some_and(|bare| bare.spread > CALM);
        let warning = if busy {
            " THE MACHINE WAS BUSY: the bare operation itself varied too much for ratios."
        } else {
            ""
        };
        Table {
            title: "Speed: one accepted token",
            note: format!(
                "Medians of {} interleaved rounds. \"x bare\": to RSA alone in Rust; \"x own\": to RSA alone in its own library. \
                 jose, jwt-authorizer and axum-jwt-auth are awaited one at a time.{warning}",
                self.rounds
            ),
            head: vec!["verifier", "ns", "spread", "x bare", "x own"],
            rows: self
                .speed
                .iter()
                .map(|row| {
                    vec![
                        row.name.clone(),
                        format!("{:.0}", row.nanoseconds),
                        format!("{:.2}", row.spread),
                        format!("{:.2}", row.to_bare),
                        format!("{:.2}", row.to_own_bare),
                    ]
                })
                .collect(),
        }
    }

    fn verdict_table(&self) -> Table {
        Table {
            title: "Strictness: the hostile corpus",
            note: format!(
                "{} tokens of dailey-auth/tests/corpus, each verifier as strict as its options allow. Wrong means: not as the \
                 corpus says, which follows our rules; some of them are stricter than the RFCs demand.",
                self.verdicts.first().map_or(0, |first| first.tokens)
            ),
            head: vec![
                "verifier",
                "accepted wrongly",
                "refused wrongly",
                "panics",
                "for example",
            ],
            rows: self
                .verdicts
                .iter()
                .map(|row| {
                    vec![
                        row.name.clone(),
                        row.accepted_wrongly.to_string(),
                        row.refused_wrongly.to_string(),
                        row.panics.to_string(),
                        row.examples.join("; "),
                    ]
                })
                .collect(),
        }
    }

    fn behaviour_table(&self) -> Table {
        Table {
            title: "Key sets: what the issuer sees, and life without it",
            note: "One fake issuer (max-age 300 s), defaults of each, time turned by hand in steps of 30 s.".to_owned(),
            head: vec![
                "verifier",
                "fetches, 64 unknown ids at once",
                "10 000 in turn",
                "new key seen after",
                "after a flood",
                "removed key refused after",
                "serves after 1 h outage",
                "25 h",
            ],
            rows: self
                .behaviour
                .iter()
                .map(|row| {
                    vec![
                        row.name.clone(),
                        row.unknown_at_once.to_string(),
                        row.unknown_in_turn.to_string(),
                        spoken(row.new_key_seconds),
                        spoken(row.new_key_after_flood_seconds),
                        spoken(row.removed_key_seconds),
                        yes(row.serves_after_1_hour),
                        yes(row.serves_after_25_hours),
                    ]
                })
                .collect(),
        }
    }

    fn speed_plot(&self) -> String {
        let bars = self.speed.iter().map(|row| Bar {
            name: &row.name,
            value: row.nanoseconds / 1000.0,
            label: format!("{:.1} µs", row.nanoseconds / 1000.0),
        });
        plot(bars.collect())
    }

    fn verdict_plot(&self) -> String {
        #[allow(clippy::cast_precision_loss)] // a few hundred
        let bars = self.verdicts.iter().map(|row| Bar {
            name: &row.name,
            value: row.accepted_wrongly as f64,
            label: format!("{} accepted wrongly", row.accepted_wrongly),
        });
        plot(bars.collect())
    }
}

struct Table {
    title: &'static str,
    note: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

struct Bar<'a> {
    name: &'a str,
    value: f64,
    label: String,
}

/// Horizontal bars; ours in another colour.
fn plot(bars: Vec<Bar<'_>>) -> String {
    const NAMES: f64 = 240.0;
    const LENGTH: f64 = 480.0;
    const LINE: usize = 22;
    let largest = bars
        .iter()
        .map(|bar| bar.value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = format!("<svg width=900 height={}>", bars.len() * LINE);
    for (at, bar) in bars.iter().enumerate() {
        let (top, length) = (at * LINE, bar.value / largest * LENGTH);
        let colour = if bar.name.starts_with("dailey") {
            "#0a7"
        } else {
            "#89a"
        };
        let _ = write!(
            svg,
            "<text x=0 y={base}>{}</text><rect x={NAMES} y={y} width={length:.1} height=14 fill='{colour}'/>\
             <text x={end:.1} y={base}>{}</text>",
            escaped(bar.name),
            escaped(&bar.label),
            base = top + 15,
            y = top + 4,
            end = NAMES + length + 6.0,
        );
    }
    svg + "</svg>"
}

fn spoken(seconds: Option<u64>) -> String {
    match seconds {
        None => "never (26 h)".to_owned(),
        Some(0) => "at once".to_owned(),
        Some(seconds @ ..3600) => format!("{} min {:02} s", seconds / 60, seconds % 60),
        Some(seconds) => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn yes(so: bool) -> String {
    if so { "yes" } else { "no" }.to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
