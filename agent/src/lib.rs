//! karmada-agent: pull mode, the member's controllers beside the member.
