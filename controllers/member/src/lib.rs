//! Controllers that face one member: in the manager for push, in the agent for pull.
