//! The real Core and DMAPI as processes of their own, with data in a folder of the caller's.
//!
//! Knows how they are built, set up, started and told things; nothing of what is shown or tested.

mod client;
mod core;
mod media;
mod programs;
mod service;

pub(crate) use self::client::{Answer, Client, authorized};
pub(crate) use self::core::{ADMIN_EMAIL, Core, new_password, text};
pub(crate) use self::media::Media;
pub(crate) use self::programs::{CHECKER, CORE, MEDIA, build};
pub(crate) use self::service::{Service, Watch, until};

/// Settings of the caller's beside those that a service always gets.
pub(crate) type Settings = Vec<(&'static str, String)>;
