//! Nothing here: see `benches/benches`.
