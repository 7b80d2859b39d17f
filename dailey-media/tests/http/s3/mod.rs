//! What is special about buckets: large objects in parts, objects that others put there, several
//! processes, and a store that fails.

mod bucket;
mod descriptions;
mod faults;
mod large;
mod lies;
mod links;
mod many;
mod others;
mod races;
mod replaced;
