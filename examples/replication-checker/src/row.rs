//! One row of a result, by column name. A column that is not there and one that is NULL both read as
//! nothing: neither is ever a number.

/// A row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<(String, Option<String>)>);

impl Row {
    /// Adds a column.
    pub fn push(&mut self, name: impl Into<String>, value: Option<String>) {
        self.0.push((name.into(), value));
    }

    /// The text of a column; nothing when it is NULL or not there.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(column, _)| column.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.as_deref())
    }

    /// The text of a column, when it is not empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.text(name)?.parse().ok()
    }

    /// Whether there is such a column, NULL or not.
    pub fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(column, _)| column.eq_ignore_ascii_case(name))
    }

    /// The column that was added last, to go on with its value.
    pub(crate) fn last_mut(&mut self) -> Option<&mut Option<String>> {
        self.0.last_mut().map(|(_, value)| value)
    }

    /// The columns in their order, with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.0.len()
    }
}

impl<N: Into<String>> FromIterator<(N, Option<String>)> for Row {
    fn from_iter<I: IntoIterator<Item = (N, Option<String>)>>(columns: I) -> Self {
        Self(
            columns
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }
}
