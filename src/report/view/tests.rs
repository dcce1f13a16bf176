//! The screen of a watched rollout: on its way, in trouble, ended; at any width and height.
