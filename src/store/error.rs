//! Why a store or a lease cannot be had.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::fault::{Fault, FaultKind};
use crate::domain::name::RolloutId;
use crate::lease::{Control, LeaseRefusal};

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refuses.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The bucket refuses, or does not answer.
    #[error("the store in bucket {bucket} fails: {fault}")]
    Bucket {
        /// Its name.
        bucket: String,
        /// What it said.
        fault: Fault,
    },
    /// Something in the store means nothing to this program.
    #[error("{what} cannot be read: {why}")]
    Strange {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// There is no such rollout.
    #[error("no rollout is called `{}`", .0.escape_debug())]
    Unknown(String),
    /// Several rollouts could be meant.
    #[error("`{text}` could be {}", ids(candidates))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// What it could be.
        candidates: Vec<RolloutId>,
    },
}

impl StoreError {
    /// Whether the store answers, and what it says means nothing: waiting does not help, and whoever goes back goes by the
    /// rule, as if it were silent.
    pub fn is_nonsense(&self) -> bool {
        match self {
            Self::Strange { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
            }
            Self::Bucket { .. } | Self::Unknown(_) | Self::Ambiguous { .. } => false,
        }
    }

    /// What it means for whoever asked, as any refusal's.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Bucket { fault, .. } => fault.clone(),
            Self::Io { doing, path, source } => {
                Fault::new(FaultKind::of_file(source), *doing, format!("{}: {source}", path.display()))
            }
            Self::Strange { .. } | Self::Ambiguous { .. } => {
                Fault::new(FaultKind::Permanent, "read the store", self.to_string())
            }
            Self::Unknown(_) => Fault::new(FaultKind::Missing, "read the store", self.to_string()),
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn ids(candidates: &[RolloutId]) -> String {
    candidates.iter().map(RolloutId::as_str).collect::<Vec<_>>().join(" or ")
}

/// Why a lease cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else's turn.
    #[error("{}", told(.resource, .refusal))]
    Refused {
        /// The rule or service.
        resource: String,
        /// Whose, and how far they are.
        refusal: Box<LeaseRefusal>,
    },
    /// Somebody else decides now.
    #[error("{} took over (epoch {})", owner(.0), .0.epoch)]
    Fenced(Box<Control>),
    /// A document was written by a later program.
    #[error("{resource} is kept by a later version of tidegate (schema {schema})")]
    TooNew {
        /// The rule or service.
        resource: String,
        /// Its schema.
        schema: u32,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LeaseError {
    /// Whether the document means nothing to this program: see [`StoreError::is_nonsense`].
    pub fn is_nonsense(&self) -> bool {
        match self {
            Self::TooNew { .. } => true,
            Self::Store(error) => error.is_nonsense(),
            Self::Refused { .. } | Self::Fenced(_) => false,
        }
    }

    pub(super) fn refused(resource: &str, refusal: LeaseRefusal) -> Self {
        Self::Refused { resource: resource.to_owned(), refusal: Box::new(refusal) }
    }
}

/// Who owns a document, in words.
fn owner(control: &Control) -> &str {
    control.owner.as_ref().map_or("nobody", |owner| &owner.by)
}

fn told(resource: &str, refusal: &LeaseRefusal) -> String {
    let since = |control: &Control| match &control.owner {
        Some(owner) => format!(" by {}, since {}", owner.by, owner.since),
        None => String::new(),
    };
    match refusal {
        LeaseRefusal::UnderWay(c) | LeaseRefusal::Owned(c) => {
            format!("{resource} is being driven{}: rollout {}", since(c), c.rollout)
        }
        LeaseRefusal::Committing(c) => format!("rollout {} is being committed{}", c.rollout, since(c)),
        LeaseRefusal::Over(c) => format!("rollout {} is over", c.rollout),
        LeaseRefusal::Another(c) => format!("{resource} belongs to rollout {} by now", c.rollout),
    }
}
