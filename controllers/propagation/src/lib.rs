//! Pure propagation: policy match, overrides, Work rendering, status aggregation, eviction, quota.
