use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::principal::Principal;
use crate::request::testing::block_on;
use crate::scheme::Constraints;

fn limits() -> CacheLimits {
    CacheLimits {
        max_entries: 100,
        max_age: Duration::from_mins(1),
    }
}

fn proof(not_after: Option<i64>, reuse: Reuse) -> Verified {
    Verified {
        principal: Arc::new(Principal::default()),
        constraints: Constraints::default(),
        not_after: not_after.map(UnixTime::from_secs),
        key: Digest::of(b"key"),
        grounds: None,
        token: None,
        asked: None,
        reuse,
    }
}

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

/// Whether a proof that was kept at `made` is a hit at `asked`.
fn hits(proof: Verified, made: i64, asked: i64) -> bool {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let key = Digest::of(b"token");
        cache.keep(key, &Arc::new(proof), at(made)).await;
        matches!(cache.look_up(&key, at(asked)).await, Known::Good(_))
    })
}

#[test]
fn a_verdict_lives_as_long_as_the_shortest_of_its_limits() {
    for (case, verified, made, asked, expected) in [
        ("fresh", proof(None, Reuse::Cacheable), 1000, 1059, true),
        (
            "older than max_age",
            proof(None, Reuse::Cacheable),
            1000,
            1060,
            false,
        ),
        (
            "before the token's end",
            proof(Some(1010), Reuse::Cacheable),
            1000,
            1009,
            true,
        ),
        (
            "at the token's end",
            proof(Some(1010), Reuse::Cacheable),
            1000,
            1010,
            false,
        ),
        (
            "within max_stale",
            proof(None, Reuse::For(Duration::from_secs(5))),
            1000,
            1004,
            true,
        ),
        (
            "beyond max_stale",
            proof(None, Reuse::For(Duration::from_secs(5))),
            1000,
            1005,
            false,
        ),
        ("once is once", proof(None, Reuse::Once), 1000, 1000, false),
        (
            "the clock was set back",
            proof(None, Reuse::Cacheable),
            1000,
            999,
            false,
        ),
    ] {
        assert_eq!(hits(verified, made, asked), expected, "{case}");
    }
}

proptest! {
    #[test]
    fn no_verdict_outlives_its_token(end in 1i64..200, made in 0i64..200, asked in 0i64..400) {
        if hits(proof(Some(end), Reuse::Cacheable), made, asked) {
            prop_assert!(asked < end);
        }
    }
}

#[test]
fn junk_does_not_evict_good_verdicts() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let good = Digest::of(b"good");
        cache
            .keep(good, &Arc::new(proof(None, Reuse::Cacheable)), at(1))
            .await;
        for junk in 0..10_000u32 {
            cache
                .keep_rejection(Digest::of(&junk.to_be_bytes()), Rejection::BadSignature)
                .await;
        }
        assert!(matches!(cache.look_up(&good, at(2)).await, Known::Good(_)));
    });
}

#[test]
fn there_are_never_more_verdicts_than_have_room() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        for number in 0..2000u32 {
            let key = Digest::of(&number.to_be_bytes());
            let proof = Arc::new(proof(None, Reuse::Cacheable));
            cache.keep(key, &proof, at(1)).await;
            cache.keep_rejection(key, Rejection::BadSignature).await;
        }
        cache.good.run_pending_tasks().await;
        cache.bad.run_pending_tasks().await;
        assert!(cache.len() <= 100, "{}", cache.len());
        assert!(cache.refused() <= 100, "{}", cache.refused());
    });
}

#[test]
fn only_final_refusals_are_kept() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let key = Digest::of(b"token");
        cache.keep_rejection(key, Rejection::NotYetValid).await;
        assert!(matches!(cache.look_up(&key, at(1)).await, Known::Nothing));
        cache.keep_rejection(key, Rejection::BadSignature).await;
        let known = cache.look_up(&key, at(1)).await;
        assert!(matches!(known, Known::Bad(Rejection::BadSignature)));
    });
}

#[test]
fn many_who_wait_for_one_answer_ask_once() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let asked = AtomicUsize::new(0);
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(proof(None, Reuse::Cacheable))
        };
        let key = Digest::of(b"token");
        let flights =
            futures_util::future::join_all((0..50).map(|_| cache.single_flight(key, at(1), ask())));
        assert!(flights.await.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn an_outage_is_never_kept() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let key = Digest::of(b"token");
        let down = async {
            Err(VerifyError::Unavailable {
                source: Arc::from("down"),
            })
        };
        assert!(cache.single_flight(key, at(1), down).await.is_err());
        let back = async { Ok(proof(None, Reuse::Cacheable)) };
        assert!(cache.single_flight(key, at(1), back).await.is_ok());
    });
}

#[test]
fn a_verdict_that_nobody_asked_for_is_only_refreshed() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let key = Digest::of(b"token");
        let proof = |ends| Arc::new(proof(Some(ends), Reuse::For(Duration::from_secs(5))));
        cache.refresh(key, &proof(100), at(1)).await;
        assert!(matches!(cache.look_up(&key, at(1)).await, Known::Nothing));
        cache.keep(key, &proof(100), at(1)).await;
        cache.refresh(key, &proof(200), at(4)).await;
        match cache.look_up(&key, at(8)).await {
            Known::Good(kept) => assert_eq!(kept.not_after, Some(at(200))),
            known @ (Known::Bad(_) | Known::Nothing) => panic!("{known:?}"),
        }
        assert!(matches!(cache.look_up(&key, at(9)).await, Known::Nothing));
    });
}

#[test]
fn a_verdict_that_was_refuted_is_gone() {
    block_on(async {
        let cache = VerdictCache::new(&limits());
        let key = Digest::of(b"token");
        let good = Arc::new(proof(None, Reuse::Cacheable));
        cache.keep(key, &good, at(1)).await;
        cache.void(key, Rejection::Replaced).await;
        assert!(matches!(cache.look_up(&key, at(1)).await, Known::Nothing));
        cache.refresh(key, &good, at(1)).await;
        let known = cache.look_up(&key, at(1)).await;
        assert!(matches!(known, Known::Nothing), "an earlier answer, late");
    });
}
