//! The example as a process, attacked over its socket as every other one.

example_black_box::suite!(env!("CARGO_BIN_EXE_example-axum"));
