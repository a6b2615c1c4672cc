//! The controller kit: shell, queues, caches, patcher, metrics, health.
