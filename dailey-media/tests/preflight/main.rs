//! The gate: each thing that is wrong is named by its check and by no other, and while one is wrong
//! the port stays shut.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

mod broken;
mod config_file;
mod core;
mod drain;
mod edge;
mod gate;
mod ground;
mod logs;
mod s3;
