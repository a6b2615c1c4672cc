//! Karmada's kinds, names, labels, defaults and pure validation.
