//! That a store keeps the one promise that leases rest on: of two writes over the same body one is refused.

use super::backend::{Document, Swapped};
use super::{Store, StoreError};

/// The document that is written for it. It stays, because who runs rollouts may not be allowed to remove it.
const KEY: &str = "doctor/compare-and-swap";
/// How often somebody else may do the same in between.
const TRIES: u32 = 20;
/// The document that says that it was proven, for everybody who uses the store.
const PROVEN: &str = "doctor/proven";
/// What it says; another proof would say something else.
const PROOF: &[u8] = b"{\"schema\":1,\"compare_and_swap\":true}\n";

impl Store {
    /// Proves it once: whoever comes after only reads that it is proven.
    ///
    /// # Errors
    /// As [`Store::prove`].
    pub async fn prove_once(&self) -> Result<(), StoreError> {
        let found = self.backend.document(PROVEN).await?;
        if found.as_ref().is_some_and(|found| found.body == PROOF) {
            return Ok(());
        }
        self.prove().await?;
        // Somebody else may have written the same by now.
        self.backend.swap(PROVEN, PROOF.to_vec(), found.as_ref().map(|found| &found.version)).await.map(drop)
    }

    /// Writes a document of its own, and sees that a second write over what was there before is refused.
    ///
    /// # Errors
    /// When the store cannot be read or written, or when it lets the second write through.
    pub async fn prove(&self) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let before = self.backend.document(KEY).await?.map(|Document { version, .. }| version);
            if self.backend.swap(KEY, body(), before.as_ref()).await? == Swapped::Taken {
                continue;
            }
            for stale in [before.as_ref(), None] {
                if let Swapped::Done(_) = self.backend.swap(KEY, body(), stale).await? {
                    let why = "it lets a write through that came too late, so it cannot keep a lease";
                    return Err(StoreError::Strange { what: "the store".to_owned(), why: why.to_owned() });
                }
            }
            return Ok(());
        }
        let why = "somebody else writes the same document without end";
        Err(StoreError::Strange { what: "the store".to_owned(), why: why.to_owned() })
    }
}

/// Unlike all before it.
fn body() -> Vec<u8> {
    format!("{{\"doctor\":\"{:016x}\"}}\n", fastrand::u64(..)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_proven_once_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().join("state")).unwrap();
        store.prove_once().await.unwrap();
        let before = store.backend.document(KEY).await.unwrap();
        store.prove_once().await.unwrap();
        assert_eq!(store.backend.document(KEY).await.unwrap(), before);
    }

    #[tokio::test]
    async fn a_folder_keeps_the_promise_as_often_as_it_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().join("state")).unwrap();
        for _ in 0..3 {
            store.prove().await.unwrap();
        }
        assert!(store.list().await.unwrap().is_empty());
        assert!(store.standings(&crate::domain::clock::Clock::wall()).await.unwrap().is_empty());
    }
}
