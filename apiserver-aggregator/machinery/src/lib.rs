//! What Kubernetes objects are: schemas, defaults, validation, patches, apply, selectors, tables, OpenAPI.
