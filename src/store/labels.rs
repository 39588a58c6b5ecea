//! What has a label is written as its label, in JSON too.

use serde::{Serialize, Serializer};

use crate::domain::{Check, Expiry, Kind, Reason, Scope, TokenState};

macro_rules! written_as_label {
    ($($labelled:ty),+) => {$(
        impl Serialize for $labelled {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_label())
            }
        }
    )+};
}

written_as_label!(Check, Expiry, Kind, Reason, Scope, TokenState);
