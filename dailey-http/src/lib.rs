//! What the services share at the socket, so that each of them is only its routes.
//!
//! | module | job |
//! | --- | --- |
//! | [`settings`] | environment text → typed value, or an error that names the key and what to do |
//! | [`listen`] | bind, accept with limits, drain |
//! | [`signals`] | SIGTERM, SIGINT, SIGHUP as futures |
//! | [`body`] | small bodies and JSON, bounded and understood as a whole |
//! | [`pace`] | how fast a body must come |
//! | [`problem`] | errors as `application/problem+json` (RFC 9457) |
//! | [`request_id`] | one id for each request, in every response, problem and log line |
//! | [`client`] | who is at the other end: trusted proxies, client address, direct loopback |
//! | [`edge`] | in production: hosts that are ours, and no plain http |
//! | [`cors`] | exact origins, preflights |
//! | [`headers`] | the security headers of a JSON API |
//! | [`metrics`] | `OpenMetrics` text, and what every service counts |
//! | [`logs`] | log output; each request's line is `access_log` |
//! | [`Stack`] | all the layers above in their one right order |
//!
//! It knows nothing of tokens, storage or any route.

#![forbid(unsafe_code)]

mod access_log;
pub mod body;
pub mod client;
pub mod cors;
mod deadlines;
pub mod edge;
pub mod headers;
mod linger;
pub mod listen;
pub mod logs;
pub mod metrics;
pub mod pace;
mod places;
pub mod problem;
pub mod request_id;
pub mod settings;
pub mod signals;
mod stack;
mod unreadable;

pub use problem::Problem;
pub use stack::Stack;
