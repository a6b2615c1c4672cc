//! karmada-scheduler: queue, snapshot and commit around the pure core.
