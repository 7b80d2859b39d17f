//! Watches Core's two MySQL servers and tells the truth about their replication.
//!
//! ```text
//! settings ──▶ collect (ssh | direct) ──▶ observation ──▶ verdict ──▶ report (JSON | text | metrics)
//!                       ▲                                    ▲ │
//!                   statements                       memory ─┘ └─▶ memory (state file)
//! ```
//!
//! | module | job |
//! | --- | --- |
//! | [`settings`] | the environment, read and checked |
//! | [`statements`] | what the servers are asked |
//! | [`collect`] | asks them, with deadlines; all the network there is |
//! | [`client_output`] | the output of MySQL's command-line client, read back |
//! | [`row`], [`gtid`], [`replica_status`], [`observation`] | answers, read into types; what could not be read says why |
//! | [`verdict`] | what was seen → problems; pure; every fault gets its name in `verdict/problem.rs` |
//! | [`report`] | what is said |
//! | [`scrub`] | texts of others, bounded and without secrets |
//! | [`state_file`], [`run_lock`] | files |
//! | [`health`] | the command |

pub mod client_output;
pub mod collect;
pub mod gtid;
pub mod health;
pub mod observation;
pub mod replica_status;
pub mod report;
pub mod row;
pub mod run_lock;
pub mod scrub;
pub mod settings;
pub mod state_file;
pub mod statements;
pub mod verdict;
