//! The scheduler's pure core: filter, score, spread, assign.
