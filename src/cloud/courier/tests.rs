//! Recipients of all kinds: quick, lost, slow and full.
