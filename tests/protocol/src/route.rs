//! The listener rule, and what reads of it may show: the answer to a read can be a little old.

/// The candidate's share of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// All is the stable slot's.
    Nothing,
    /// Each slot has some.
    Half,
    /// All is the candidate's.
    All,
}

impl Share {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The listener rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub share: Share,
    /// Whether a stranger gave it.
    pub foreign: bool,
    /// The shares that a read may still show: bits by how many ticks ago they were true.
    pub shown: [u8; 3],
}

impl Route {
    pub fn now(share: Share) -> Self {
        Self { share, foreign: false, shown: [share.bit(), 0, 0] }
    }

    /// Whether a read may show this.
    pub fn may_show(self, share: Share) -> bool {
        self.shown.iter().any(|shown| shown & share.bit() != 0)
    }

    /// Whether a read may show anything else.
    pub fn may_show_other(self, share: Share) -> bool {
        self.shown.iter().any(|shown| shown & !share.bit() != 0)
    }

    /// A write of ours landed.
    pub fn land(&mut self, share: Share) {
        *self = Self { share, foreign: false, ..*self };
        self.shown[0] |= share.bit();
    }

    /// A stranger's write. It is seen at once: an unseen one cannot be told from one after the read.
    pub fn overwrite(&mut self, share: Share) {
        *self = Self { foreign: true, ..Self::now(share) };
    }

    pub fn tick(&mut self, stale: u8) {
        self.shown.rotate_right(1);
        self.shown[0] = self.share.bit();
        self.shown[usize::from(stale) + 1..].fill(0);
    }
}
