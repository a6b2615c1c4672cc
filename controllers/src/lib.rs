//! karmada-controller-manager: the registry of all controllers.
