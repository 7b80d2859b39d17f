//! The command `core-replica-seed`: makes one server a true copy of another, and its replica.
//!
//! [`plan`] decides, from what both servers say, whether it may be done and how; nothing is touched before.
//! `procedure` does it step by step, by `clone` or by `dump`; `proof` shows that it worked. What a
//! failure leaves behind has a name, and a second run mends it.

mod clone;
pub mod command;
mod dump;
pub mod plan;
mod procedure;
mod proof;
mod server;
