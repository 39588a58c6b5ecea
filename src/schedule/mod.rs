//! When to probe what, within each workspace's budget. Knows a [`Prober`](crate::probe), not HTTP.

pub mod phase;
pub mod plan;
pub mod timing;
