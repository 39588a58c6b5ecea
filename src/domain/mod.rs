//! The pure middle: what tokens, checks, observations and verdicts are, and the rules between them.
//!
//! Nothing here waits, talks, reads a clock or fails: values come in, values go out. Time arrives as a
//! [`Moment`], so that every rule can be tested with tables.

pub mod advice;
pub mod cadence;
pub mod expiry;
pub mod finding;
pub mod heard;
pub mod life;
pub mod moment;
pub mod name;
pub mod observation;
pub mod observer;
pub mod outcome;
pub mod record;
pub mod scope;
pub mod secret;
pub mod shard;
mod small_map;
pub mod state;
mod steady_hash;
pub mod token;

pub use cadence::Cadence;
pub use expiry::Expiry;
pub use moment::Moment;
pub use name::Name;
pub use observation::{Answer, Body, Exp, Facts, Failure, Observation, Phases, Quota, Seen};
pub use observer::{Observer, RequestEnded};
pub use outcome::{Course, Outcome, Reason, classify};
pub use record::TokenRecord;
pub use scope::{Check, Method, Question, Scope, Uuid};
pub use secret::{Credential, CredentialProblem, Digest, DigestKey, Secret};
pub use shard::Shard;
pub use state::TokenState;
pub use steady_hash::steady_hash;
pub use token::{DeclaredExpiry, Kind, TokenSpec, Workspace};
