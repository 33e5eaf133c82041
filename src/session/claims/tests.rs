use super::*;
use crate::request::testing::block_on;
use crate::secret::Digest;

const KEY: ClaimKey = ClaimKey(Digest::from_bytes([7; 32]));

fn rule(limit: u32, on_conflict: OnConflict) -> PerDevice {
    PerDevice {
        limit,
        on_conflict,
        replace_limit: PerDevice::REPLACE_LIMIT,
    }
}

fn at(secs: u64) -> Steady {
    Steady::from_millis(secs * 1000)
}

fn take(
    claims: &Arc<Claims>,
    rule: PerDevice,
    id: u128,
    now: Steady,
) -> Result<Vec<u128>, NoPlace> {
    let evicted = claims.reserve(KEY, rule, now)?.take(SessionId(id), now)?;
    Ok(evicted.iter().map(|id| id.0).collect())
}

#[test]
fn the_oldest_makes_room() {
    let claims = Arc::new(Claims::default());
    let two = rule(2, OnConflict::Replace);
    assert_eq!(take(&claims, two, 1, at(0)), Ok(vec![]));
    assert_eq!(take(&claims, two, 2, at(0)), Ok(vec![]));
    assert_eq!(take(&claims, two, 3, at(0)), Ok(vec![1]));
    let one = rule(1, OnConflict::Replace);
    assert_eq!(
        take(&claims, one, 4, at(0)),
        Ok(vec![2, 3]),
        "the limit was lowered"
    );
}

#[test]
fn the_cleanup_of_one_who_was_replaced_leaves_its_successor_alone() {
    let claims = Arc::new(Claims::default());
    let one = rule(1, OnConflict::Replace);
    take(&claims, one, 1, at(0)).unwrap();
    assert_eq!(take(&claims, one, 2, at(0)), Ok(vec![1]));
    claims.release(KEY, SessionId(1));
    assert_eq!(claims.holders(KEY).as_slice(), &[SessionId(2)]);
}

#[test]
fn a_reserved_place_is_not_given_away() {
    let claims = Arc::new(Claims::default());
    let one = rule(1, OnConflict::Reject);
    let reservation = claims.reserve(KEY, one, at(0)).unwrap();
    assert_eq!(take(&claims, one, 2, at(0)), Err(NoPlace::Taken));
    drop(reservation);
    assert_eq!(take(&claims, one, 2, at(0)), Ok(vec![]));
    assert_eq!(take(&claims, one, 3, at(0)), Err(NoPlace::Taken));
    claims.release(KEY, SessionId(2));
    assert!(claims.state.lock().places.is_empty());
    assert_eq!(take(&claims, one, 3, at(0)), Ok(vec![]));
}

#[test]
fn who_race_for_one_place_leave_exactly_one() {
    let claims = Arc::new(Claims::default());
    let one = rule(1, OnConflict::Replace);
    let first = claims.reserve(KEY, one, at(0)).unwrap();
    let second = claims.reserve(KEY, one, at(0)).unwrap();
    assert!(second.take(SessionId(2), at(0)).unwrap().is_empty());
    assert_eq!(
        first.take(SessionId(1), at(0)).unwrap().as_slice(),
        &[SessionId(2)]
    );
    assert_eq!(claims.holders(KEY).as_slice(), &[SessionId(1)]);
}

#[test]
fn two_that_replace_each_other_for_ever_are_stopped_for_a_while() {
    let claims = Arc::new(Claims::default());
    let one = rule(1, OnConflict::Replace);
    take(&claims, one, 0, at(0)).unwrap();
    for id in 1..=5 {
        let now = at(u64::try_from(id).unwrap() * 3);
        assert_eq!(take(&claims, one, id, now), Ok(vec![id - 1]));
    }
    // The first replacement was at second 3 and is forgotten at second 63.
    let retry_after = Duration::from_secs(45);
    assert_eq!(
        take(&claims, one, 6, at(18)),
        Err(NoPlace::TooOften { retry_after })
    );
    assert_eq!(
        claims.holders(KEY).as_slice(),
        &[SessionId(5)],
        "the old one stays"
    );
    assert_eq!(take(&claims, one, 6, at(63)), Ok(vec![5]));
    // One who comes when nobody is there replaces nobody.
    claims.release(KEY, SessionId(6));
    assert_eq!(take(&claims, one, 7, at(63)), Ok(vec![]));
}

#[test]
fn replacements_are_forgotten() {
    let claims = Arc::new(Claims::default());
    let one = rule(1, OnConflict::Replace);
    take(&claims, one, 1, at(0)).unwrap();
    take(&claims, one, 2, at(0)).unwrap();
    claims.forget(at(60));
    assert_eq!(claims.state.lock().replacements.len(), 1);
    claims.forget(at(24 * 60 * 60));
    assert!(claims.state.lock().replacements.is_empty());
}

/// Other replicas with these answers, and what they were asked.
#[derive(Debug)]
struct Others {
    reserve: Result<(), NoPlace>,
    take: Result<Vec<SessionId>, NoPlace>,
    asked: Mutex<Vec<(&'static str, u128)>>,
}

#[async_trait]
impl Elsewhere for Others {
    async fn reserve(&self, _: ClaimKey, _: PerDevice, id: SessionId) -> Result<(), NoPlace> {
        self.asked.lock().push(("reserve", id.0));
        self.reserve
    }

    async fn take(
        &self,
        _: ClaimKey,
        _: PerDevice,
        id: SessionId,
    ) -> Result<Vec<SessionId>, NoPlace> {
        self.asked.lock().push(("take", id.0));
        self.take.clone()
    }

    fn release(&self, _: ClaimKey, id: SessionId) {
        self.asked.lock().push(("release", id.0));
    }
}

fn shared(
    reserve: Result<(), NoPlace>,
    take: Result<Vec<SessionId>, NoPlace>,
) -> (Arc<Claims>, Arc<Others>) {
    let others = Arc::new(Others {
        reserve,
        take,
        asked: Mutex::default(),
    });
    let claims = Arc::new(Claims::default());
    claims.share(Arc::<Others>::clone(&others));
    (claims, others)
}

fn reserve(claims: &Arc<Claims>, rule: PerDevice, id: u128) -> Result<Reservation, NoPlace> {
    block_on(claims.reserve_for(SessionId(id), KEY, rule, at(0)))
}

#[test]
fn whoever_finds_no_place_elsewhere_gives_back_the_one_here() {
    let (claims, others) = shared(Err(NoPlace::Taken), Ok(vec![]));
    let one = rule(1, OnConflict::Reject);
    assert_eq!(reserve(&claims, one, 1).unwrap_err(), NoPlace::Taken);
    assert!(claims.state.lock().places.is_empty());
    // An answer may have been lost on the way.
    assert_eq!(*others.asked.lock(), [("reserve", 1), ("release", 1)]);
}

#[test]
fn whoever_finds_no_place_here_asks_nobody() {
    let (claims, others) = shared(Ok(()), Ok(vec![]));
    let one = rule(1, OnConflict::Reject);
    let _reservation = claims.reserve(KEY, one, at(0)).unwrap();
    assert_eq!(reserve(&claims, one, 1).unwrap_err(), NoPlace::Taken);
    assert!(others.asked.lock().is_empty());
}

#[test]
fn a_place_is_given_back_elsewhere_once() {
    let (claims, others) = shared(Ok(()), Ok(vec![SessionId(9)]));
    let one = rule(1, OnConflict::Replace);
    let reservation = reserve(&claims, one, 1).unwrap();
    assert_eq!(
        block_on(reservation.take_elsewhere()),
        Ok(vec![SessionId(9)])
    );
    reservation.take(SessionId(1), at(0)).unwrap();
    claims.release(KEY, SessionId(1));
    claims.release(KEY, SessionId(1));
    let expected = [("reserve", 1), ("take", 1), ("release", 1)];
    assert_eq!(*others.asked.lock(), expected);
    // One that never came as far as that.
    drop(reserve(&claims, one, 2));
    assert_eq!(others.asked.lock()[3..], [("reserve", 2), ("release", 2)]);
}
