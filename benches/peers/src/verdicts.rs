//! Correctness: the hostile corpus through every verifier, at the corpus' own time.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::house::Corpus;
use crate::speaker::Speaker;

/// Names of tokens that are shown for each verifier.
const SHOWN: usize = 5;

/// One verifier's verdicts against the corpus'.
#[derive(Serialize)]
pub struct Verdicts {
    pub name: String,
    pub tokens: usize,
    pub accepted_wrongly: usize,
    pub refused_wrongly: usize,
    pub panics: usize,
    /// Accepted wrongly, by topic of the corpus.
    pub by_topic: BTreeMap<String, usize>,
    pub examples: Vec<String>,
}

impl Verdicts {
    /// How many are not as the corpus says.
    pub fn wrong(&self) -> usize {
        self.accepted_wrongly + self.refused_wrongly + self.panics
    }
}

pub fn judge(speakers: &mut [Speaker], corpus: &Corpus, folder: &Path) -> Vec<Verdicts> {
    let tokens: Vec<&str> = corpus.rows.iter().map(|row| row.token.as_str()).collect();
    let file = folder.join("corpus.json");
    std::fs::write(&file, serde_json::json!(tokens).to_string()).expect("a file of tokens");
    let mut all = Vec::new();
    for speaker in speakers {
        for (name, letters) in speaker.judge(&file) {
            all.push(against(corpus, name, &letters));
        }
    }
    all
}

fn against(corpus: &Corpus, name: String, letters: &str) -> Verdicts {
    assert_eq!(
        letters.len(),
        corpus.rows.len(),
        "{name} gives a verdict on each token"
    );
    let mut verdicts = Verdicts {
        name,
        tokens: letters.len(),
        accepted_wrongly: 0,
        refused_wrongly: 0,
        panics: 0,
        by_topic: BTreeMap::new(),
        examples: Vec::new(),
    };
    for (row, letter) in corpus.rows.iter().zip(letters.chars()) {
        match (row.good, letter) {
            (false, 'A') => {
                verdicts.accepted_wrongly += 1;
                let topic = verdicts.by_topic.entry(row.topic.clone()).or_default();
                if *topic == 0 && verdicts.examples.len() < SHOWN {
                    verdicts.examples.push(row.name.clone());
                }
                *topic += 1;
            }
            (true, 'r') => verdicts.refused_wrongly += 1,
            (_, 'P') => verdicts.panics += 1,
            _ => {}
        }
    }
    verdicts
}
