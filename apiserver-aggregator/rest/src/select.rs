//! Selectors of a list or watch, against cached entries.

use std::{borrow::Cow, sync::Arc};

use karmada_machinery::{
    ResourceInfo, StatusError,
    selector::{FieldSelector, LabelSelector, Labels},
};
use karmada_storage::cache::{Entry, Filter, Pairs, Scope};

/// What a list or watch selects.
#[derive(Clone)]
pub(crate) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

/// Labels of an entry, for selectors.
struct EntryLabels<'a>(&'a Pairs);

impl Labels for EntryLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.0.get(key)
    }
}

impl Selection {
    /// Parses the selectors of a request.
    pub(crate) fn parse(labels: &str, fields: &str, info: &ResourceInfo) -> Result<Self, StatusError> {
        let labels = LabelSelector::parse(labels).map_err(StatusError::bad_request)?;
        let fields = FieldSelector::parse(fields).map_err(StatusError::bad_request)?;
        fields.check(info).map_err(StatusError::bad_request)?;
        Ok(Self { labels, fields })
    }

    /// Restricts the selection to one name (`/api/v1/watch/…/<name>`).
    pub(crate) fn named(mut self, name: &str) -> Self {
        if !name.is_empty() {
            self.fields = FieldSelector::by_name(name);
        }
        self
    }

    /// Whether everything is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether an entry is selected.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        (self.labels.is_everything() || self.labels.matches(&EntryLabels(entry.labels())))
            && (self.fields.is_everything()
                || self.fields.matches_with(|field| Cow::Borrowed(entry.field(field).unwrap_or_default())))
    }

    /// The filter of a watch; `None` where everything is selected.
    pub(crate) fn filter(&self) -> Option<Filter> {
        if self.is_everything() {
            return None;
        }
        let selection = self.clone();
        Some(Arc::new(move |entry: &Entry| selection.matches(entry)))
    }

    /// The smallest part of the resource that holds all that is selected.
    pub(crate) fn scope(&self, info: &ResourceInfo, namespace: &str) -> Scope {
        let namespace = if namespace.is_empty() && info.namespaced {
            self.fields.exact("metadata.namespace").unwrap_or_default()
        } else {
            namespace
        };
        let name = self.fields.exact("metadata.name");
        match (info.namespaced, namespace, name) {
            (false, _, Some(name)) if !name.is_empty() => Scope::Object { namespace: None, name: name.to_owned() },
            (true, namespace, Some(name)) if !namespace.is_empty() && !name.is_empty() => {
                Scope::Object { namespace: Some(namespace.to_owned()), name: name.to_owned() }
            }
            (true, namespace, _) if !namespace.is_empty() => Scope::Namespace(namespace.to_owned()),
            _ => Scope::All,
        }
    }
}
