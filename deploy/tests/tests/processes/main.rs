//! How the services are kept running: the units by systemd's own judgement. PM2 is in `guides/operate.rs`.

#![allow(clippy::unwrap_used)]

mod units;
