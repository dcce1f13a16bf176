//! Pages of rollouts, whole, running, damaged and foul.
