//! Controllers that face the control plane.
