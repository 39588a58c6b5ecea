//! The pure middle: what tokens, checks, observations and verdicts are, and the rules between them.
//!
//! Nothing here waits, talks, reads a clock or fails: values come in, values go out. Time arrives as a
//! [`Moment`], so that every rule can be tested with tables.

pub mod cadence;
pub mod moment;
pub mod name;
pub mod observation;
pub mod scope;
pub mod secret;
pub mod token;

pub use cadence::Cadence;
pub use moment::Moment;
pub use name::Name;
pub use observation::{Answer, Body, Exp, Facts, Failure, Observation, Phases, Quota, Seen};
pub use scope::{Check, Method, Question, Scope, Uuid};
pub use secret::{Credential, CredentialProblem, Digest, DigestKey, Secret};
pub use token::{DeclaredExpiry, Kind, TokenSpec, Workspace};
