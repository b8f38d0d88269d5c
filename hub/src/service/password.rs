//! The admin's password: Argon2id.

use std::time::Duration;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use data_encoding::BASE64URL_NOPAD;
use easytier_probe::Secret;
use easytier_uptime_store::{Store, StoreError, domain::Timestamp, random};

use tokio::sync::Semaphore;

use super::ServiceError;

/// How many hashes are computed at the same time in this process. Each takes 19 MiB.
static TURNS: Semaphore = Semaphore::const_new(2);

/// How many callers are served or wait.
static QUEUE: Semaphore = Semaphore::const_new(128);

/// The time that a full queue takes, roughly.
const QUEUE_TIME: Duration = Duration::from_secs(3);

/// A password for the first start: 144 random bits, 24 characters.
pub fn generate() -> Secret {
    BASE64URL_NOPAD.encode(&random::<18>()).into()
}

/// Sets a random first password and returns it; `None` when there is a password already. When two hubs start at the same
/// time, only one of them returns a password.
///
/// # Errors
///
/// When the password cannot be hashed, or the database fails.
pub async fn first(store: &Store, now: Timestamp) -> Result<Option<Secret>, ServiceError> {
    if store.admin_password_hash().await?.is_some() {
        return Ok(None);
    }
    let password = generate();
    let hash = hash_off_the_runtime(password.clone()).await?;
    Ok(store.put_first_admin_password_hash(&hash, now).await?.then_some(password))
}

/// Sets the password and ends all sessions; changes nothing when the password is the same as before.
///
/// # Errors
///
/// When the password cannot be hashed, or the database fails.
pub async fn set(store: &Store, password: &Secret, now: Timestamp) -> Result<(), ServiceError> {
    if matches(store, password).await? {
        return Ok(());
    }
    Ok(store.set_admin_password_hash(&hash_off_the_runtime(password.clone()).await?, now).await?)
}

/// Whether this is the admin's password. It takes tens of milliseconds of CPU time, so calls by strangers need a limit.
///
/// # Errors
///
/// When too many callers wait for it, the password cannot be hashed, or the database fails.
pub async fn matches(store: &Store, password: &Secret) -> Result<bool, ServiceError> {
    let Some(kept) = store.admin_password_hash().await? else { return Ok(false) };
    let password = password.clone();
    off_the_runtime(move || verify(&password, &kept)).await
}

async fn hash_off_the_runtime(password: Secret) -> Result<String, ServiceError> {
    Ok(off_the_runtime(move || hash(&password)).await??)
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    let Ok(_place) = QUEUE.try_acquire() else { return Err(ServiceError::RateLimited { retry_after: QUEUE_TIME }) };
    // It is never closed.
    let turn = TURNS.acquire().await;
    let work = move || {
        // A caller that stops waiting does not end the work, so the turn belongs to the work.
        let _turn = turn;
        work()
    };
    // The task is cancelled when the runtime stops.
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?)
}

/// The PHC string to store. It takes tens of milliseconds of CPU time on purpose.
fn hash(password: &Secret) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.expose().as_bytes())?.to_string())
}

/// Whether `kept` is the hash of `password`; as slow as [`hash`].
fn verify(password: &Secret, kept: &str) -> bool {
    PasswordHash::new(kept)
        .is_ok_and(|kept| Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use futures::{FutureExt, future::join_all};

    use super::*;

    /// Both parts use the queue of the process.
    #[tokio::test(flavor = "multi_thread")]
    async fn few_hashes_are_computed_at_the_same_time_and_few_callers_wait() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let both = Arc::new(Barrier::new(2));
        let work = || {
            let (running, most, both) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&both));
            move || {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                both.wait();
                running.fetch_sub(1, SeqCst);
            }
        };
        let works = (0..16).map(|_| off_the_runtime(work()));
        assert!(join_all(works).await.iter().all(Result::is_ok));
        assert_eq!(most.load(SeqCst), 2);

        let turns = TURNS.acquire_many(2).await.unwrap();
        let mut waiting: Vec<_> = (0..128).map(|_| Box::pin(off_the_runtime(|| ()))).collect();
        for caller in &mut waiting {
            assert!(caller.now_or_never().is_none());
        }
        let refused = off_the_runtime(|| ()).await;
        assert!(matches!(refused, Err(ServiceError::RateLimited { .. })), "{refused:?}");
        drop(turns);
        assert!(join_all(waiting).await.iter().all(Result::is_ok));
    }

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let password = generate();
        let kept = hash(&password).unwrap();
        assert!(kept.starts_with("$argon2id$"));
        assert!(verify(&password, &kept));
        assert!(!verify(&generate(), &kept));
        assert!(!verify(&password, "no hash"));
    }
}
