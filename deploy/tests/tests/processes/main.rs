//! How the services are kept running: the units by systemd's own judgement, PM2 by what it does.

#![allow(clippy::unwrap_used)]

mod pm2;
mod units;
