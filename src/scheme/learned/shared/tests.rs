use std::collections::HashMap;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::request::testing::block_on;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A store in memory.
#[derive(Debug, Default)]
struct Shelf(Mutex<HashMap<String, (Vec<u8>, Duration)>>);

#[async_trait]
impl Pool for Shelf {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().get(key).map(|(value, _)| value.clone()))
    }

    async fn put(&self, key: &str, value: Vec<u8>, lifetime: Duration) -> Result<(), StoreError> {
        self.0.lock().insert(key.to_owned(), (value, lifetime));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.0.lock().remove(key);
        Ok(())
    }
}

fn fact(lifetime: Option<Duration>) -> Fact {
    Fact {
        app: Some("org#app".into()),
        subject: Some("alice".into()),
        not_after: lifetime.map(|lifetime| NOW.plus(lifetime)),
        at: NOW,
        confirmed: false,
    }
}

fn shared(shelf: &Arc<Shelf>, secret: Option<&str>) -> Shared {
    let pool: Arc<dyn Pool> = Arc::<Shelf>::clone(shelf);
    Shared::new(pool, secret.map(Secret::new).as_ref())
}

#[test]
fn a_record_counts_for_its_token_and_among_those_with_the_secret() {
    let shelf = Arc::<Shelf>::default();
    let (ours, also_ours) = (shared(&shelf, Some("a")), shared(&shelf, Some("a")));
    let hour = Duration::from_hours(1);
    let get = |shared: &Shared, key: &str, at| block_on(shared.get(key, at)).unwrap();
    block_on(ours.put("one", &fact(Some(hour)), NOW)).unwrap();
    assert_eq!(get(&also_ours, "one", NOW), Some(fact(Some(hour))));
    assert_eq!(get(&also_ours, "one", NOW.plus(hour)), None, "it has ended");
    for other in [Some("b"), None] {
        assert_eq!(get(&shared(&shelf, other), "one", NOW), None, "{other:?}");
    }
    let record = shelf.0.lock()["one"].clone();
    shelf.0.lock().insert("two".to_owned(), record);
    assert_eq!(get(&ours, "two", NOW), None, "another token's");
    block_on(ours.remove("one")).unwrap();
    assert_eq!(get(&ours, "one", NOW), None);
}

#[test]
fn a_record_lives_no_longer_than_its_token() {
    let shelf = Arc::<Shelf>::default();
    let ours = shared(&shelf, None);
    let day = Duration::from_hours(24);
    for (lifetime, kept) in [
        (Some(day), Some(day)),
        (Some(day * 100), Some(day * 60)),
        (None, Some(day * 60)),
        (Some(Duration::ZERO), None),
    ] {
        shelf.0.lock().clear();
        block_on(ours.put("one", &fact(lifetime), NOW)).unwrap();
        let found = shelf.0.lock().get("one").map(|(_, lifetime)| *lifetime);
        assert_eq!(found, kept, "{lifetime:?}");
    }
}

proptest! {
    #[test]
    fn a_spoiled_record_is_none(at in 0_usize..4096, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let ours = shared(&Arc::default(), Some("a"));
        let mut record = ours.sealed("one", &fact(None));
        prop_assert_eq!(ours.opened("one", &record), Some(fact(None)));
        let bit = at % (record.len() * 8);
        record[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(ours.opened("one", &record), None);
        prop_assert_eq!(ours.opened("one", &bytes), None);
    }
}
