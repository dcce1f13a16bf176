//! Chooses the rollout to watch when the command line names none.

use crate::cli::context::{Context, Found, is_driven};
use crate::cli::present::Present;
use crate::cli::{Exit, Failure, terminal};

/// How many candidates are named.
const NAMED: usize = 10;

/// The rollout that `text` names; without it the one that runs, or, when none does, the newest.
pub(super) async fn rollout(context: &Context, text: Option<&str>) -> Result<Found, Failure> {
    let stores = context.stores(None).await?;
    if text.is_some() {
        return stores.find(text).await;
    }
    let mut all = stores.unfinished().await?;
    if all.len() > 1 {
        let mut driven = Vec::new();
        for found in &all {
            if is_driven(found).await {
                driven.push(found.clone());
            }
        }
        // Those that nobody drives are meant only when there are no others.
        if !driven.is_empty() {
            all = driven;
        }
    }
    match all.len() {
        0 => stores.find(None).await,
        1 => Ok(all.remove(0)),
        _ => Err(several(context, &all).await),
    }
}

/// That several could be meant: with where each of them stands, when a person reads it.
async fn several(context: &Context, all: &[Found]) -> Failure {
    let mut failure = Failure::new(Exit::Usage, format!("{} rollouts are not over: say which", all.len()));
    for found in all.iter().take(NAMED) {
        let line = match Present::read(context, found.clone()).await {
            Ok(present) if terminal::is_screen(context) => {
                let driver = present.driver().map_or("nobody".to_owned(), |(by, _)| by.to_owned());
                format!("{}: {}, driven by {driver}", found.id, present.status().line())
            }
            Ok(_) | Err(_) => found.id.to_string(),
        };
        failure = failure.note(line);
    }
    if all.len() > NAMED {
        failure = failure.note(format!("and {} more: `tidegate history` lists them", all.len() - NAMED));
    }
    failure.hint(format!("`tidegate watch {}`", all[0].id))
}
