//! Server-side apply: managed fields, ownership, conflicts and their resolution.
