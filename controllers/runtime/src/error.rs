//! Errors and what a queue does with them.

use std::time::Duration;

use kube::core::Status;

/// What the queue does after a failed reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The object itself is wrong: wait until it changes.
    BadInput,
    /// Something outside failed: try again with backoff.
    Transient,
    /// Something else must happen first: look again after this long.
    Waiting(Duration),
    /// A defect of ours: log loudly, try again with backoff.
    Bug,
}

/// An error with a class and a closed-set category for metrics and events.
pub trait Classify {
    /// A short word from a closed set; a metric label.
    fn category(&self) -> &'static str;
    /// What to do about it.
    fn class(&self) -> Class;
}

/// A failed operation of the kit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to an API server failed.
    #[error("{verb} {what}")]
    Request {
        /// What was asked: get, list, create, update, patch, delete, watch.
        verb: &'static str,
        /// Of what: resource and name.
        what: String,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// A request took longer than its limit.
    #[error("{verb} {what} within {limit:?}")]
    Timeout {
        /// What was asked.
        verb: &'static str,
        /// Of what.
        what: String,
        /// How long it was given.
        limit: Duration,
    },
    /// An object could not be encoded or decoded.
    #[error("encode or decode {what}")]
    Codec {
        /// Which object.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The server knows no such kind.
    #[error("find the resource of {api_version} {kind}")]
    UnknownKind {
        /// The `apiVersion`.
        api_version: String,
        /// The kind.
        kind: String,
    },
}

impl Error {
    /// The server's Status, if it answered with one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the server answered with this HTTP code.
    pub fn is_code(&self, code: u16) -> bool {
        self.status().is_some_and(|s| s.code == code)
    }

    /// 404.
    pub fn is_not_found(&self) -> bool {
        self.is_code(404)
    }

    /// 409 because the object is newer than the one we read.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(|s| s.code == 409 && s.reason == "Conflict")
    }

    /// 409 because the object exists.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(|s| s.code == 409 && s.reason == "AlreadyExists")
    }
}

impl Classify for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Request { .. } => match self.status().map(|s| s.code) {
                Some(404) => "not_found",
                Some(409) => "conflict",
                Some(403) => "forbidden",
                Some(400..=499) => "rejected",
                Some(_) => "server",
                None => "network",
            },
            Self::Timeout { .. } => "timeout",
            Self::Codec { .. } => "codec",
            Self::UnknownKind { .. } => "unknown_kind",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Request { .. } | Self::Timeout { .. } | Self::UnknownKind { .. } => Class::Transient,
            Self::Codec { .. } => Class::BadInput,
        }
    }
}

/// Prints an error with all its causes, once, dropping a suffix that equals the next cause.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // kube's own text of an answered error is followed by a dump of the whole Status; its message says it all.
        let answered =
            cause.downcast_ref::<kube::Error>().or_else(|| cause.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref));
        if let Some(kube::Error::Api(status)) = answered {
            text.push_str(": ");
            text.push_str(&status.message);
            break;
        }
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answered_error_is_its_message() {
        let status = Status { message: "pods \"x\" not found".to_owned(), code: 404, ..Status::default() };
        let error = Error::Request {
            verb: "get",
            what: "/api/v1/pods/x".to_owned(),
            source: Box::new(kube::Error::Api(Box::new(status))),
        };
        assert_eq!(chain(&error), "get /api/v1/pods/x: pods \"x\" not found");
        assert!(error.is_not_found());
    }
}
