//! Many hosts at once. A host's failure, even a panic of ours, is that host's result.

use std::future::Future;
use std::sync::Arc;

use deployctl_core::name::HostName;
use deployctl_report::{HostReport, Outcome, Problem};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Runs `work` on every item, at most `jobs` at a time, and returns the results in the order of the
/// items. If `work` panics, `lost` makes the result from the item's key and the panic's message.
///
/// # Panics
/// Never: the semaphore is not closed.
pub async fn each<K, T, R, F>(
    items: Vec<(K, T)>,
    jobs: usize,
    work: impl Fn(K, T) -> F,
    lost: impl Fn(K, String) -> R,
) -> Vec<R>
where
    K: Clone,
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(jobs.max(1)));
    let running: Vec<_> = items
        .into_iter()
        .map(|(key, item)| {
            let permits = Arc::clone(&permits);
            let task = work(key.clone(), item);
            let handle = tokio::spawn(async move {
                let _permit = permits.acquire().await.expect("never closed");
                task.await
            });
            (key, handle)
        })
        .collect();
    let mut results = Vec::with_capacity(running.len());
    for (key, handle) in running {
        results.push(match handle.await {
            Ok(result) => result,
            Err(error) => lost(key, words(error)),
        });
    }
    results
}

/// A bug of ours, as one host's end.
pub fn broken(host: HostName, panic: &str) -> HostReport {
    let reason = Problem {
        message: format!("`{host}`: internal error: {panic}"),
        hint: Some("this is a bug of deployctl".to_owned()),
    };
    HostReport::ended(host, Outcome::Failed { reason })
}

fn words(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned()),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_one_hosts_result_and_the_order_stays() {
        let results = each(
            vec![(1, ()), (2, ()), (3, ())],
            2,
            |n, ()| async move {
                assert_ne!(n, 2, "two is odd here");
                format!("{n} done")
            },
            |n, why| format!("{n} lost: {}", why.lines().next().unwrap_or_default()),
        )
        .await;
        assert_eq!(results[0], "1 done");
        assert!(
            results[1].starts_with("2 lost: assertion `left != right` failed: two is odd here")
        );
        assert_eq!(results[2], "3 done");
    }

    #[tokio::test]
    async fn no_more_than_jobs_run_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        each(
            (0..20).map(|n| (n, ())).collect(),
            3,
            move |_, ()| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    now.fetch_sub(1, Ordering::SeqCst);
                }
            },
            |_, _| (),
        )
        .await;
        assert_eq!(seen.load(Ordering::SeqCst), 3);
    }
}
