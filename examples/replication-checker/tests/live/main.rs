//! The checker as a process on two real MySQL servers, by real ssh and directly: each fault that can be made
//! on one machine gets its names and its exit code in both modes, and no others. These tests need the parts
//! `mysql` and `sshd`, so they are ignored unless asked for; `cargo xtask test` asks.

#![allow(clippy::unwrap_used)] // what fails here says so by failing
#![allow(clippy::print_stdout)] // what was seen, fault by fault

mod bed;
mod configuration;
mod forms;
mod history;
mod network;
mod proxy;
mod reach;
mod secrets;
mod steady;
mod threads;
mod watching;
