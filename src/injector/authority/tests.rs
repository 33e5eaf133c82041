use super::*;

const NAME: &str = "imgate-injector.imgate.svc";

fn at(days: u64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000).plus(Duration::from_hours(days * 24))
}

#[track_caller]
fn leaf(material: &Material, now: UnixTime) -> Leaf {
    match material.facts(NAME, now) {
        SecretFacts::Good { leaf, .. } => leaf,
        other @ (SecretFacts::Absent | SecretFacts::Broken) => panic!("{other:?}"),
    }
}

#[test]
fn what_is_made_is_trusted_for_its_time_and_its_name() {
    let material = Material::new(NAME, at(0)).unwrap();
    let Leaf::OfCurrent(span) = leaf(&material, at(0)) else {
        panic!("of the only authority");
    };
    assert_eq!(span.until, at(90));
    assert_eq!(leaf(&material, at(91)), Leaf::Useless, "after its time");
    let other = material.facts("other.imgate.svc", at(0));
    assert!(
        matches!(
            other,
            SecretFacts::Good {
                leaf: Leaf::Useless,
                ..
            }
        ),
        "{other:?}"
    );
    let identity = material.identity().unwrap();
    let long = format!("{NAME}.cluster.local");
    let authorities = pem(&material.authorities).unwrap();
    assert!(is_trusted(&identity, &authorities, &long, at(1)));
}

#[test]
fn a_leaf_is_renewed_under_the_same_authority() {
    let material = Material::new(NAME, at(0)).unwrap();
    let renewed = material.with_new_leaf(NAME, at(60)).unwrap();
    assert_eq!(renewed.authorities, material.authorities);
    assert!(matches!(leaf(&renewed, at(100)), Leaf::OfCurrent(_)));
    assert_ne!(renewed.key, material.key);
}

#[test]
fn an_authority_is_exchanged_without_a_moment_of_distrust() {
    let first = Material::new(NAME, at(0)).unwrap();
    let both = first.with_new_authority(at(10)).unwrap();
    assert!(matches!(leaf(&both, at(10)), Leaf::OfOld(_)));
    let switched = both.with_new_leaf(NAME, at(10)).unwrap();
    assert!(matches!(leaf(&switched, at(10)), Leaf::OfCurrent(_)));
    // Whoever trusts both trusts what others still show.
    let authorities = pem(&switched.authorities).unwrap();
    assert!(is_trusted(
        &first.identity().unwrap(),
        &authorities,
        NAME,
        at(10)
    ));
    let done = switched.without_old_authorities();
    assert_eq!(pem(&done.authorities).unwrap(), &authorities[..1]);
    assert!(matches!(leaf(&done, at(10)), Leaf::OfCurrent(_)));
    assert_eq!(done.without_old_authorities(), done);
}

#[test]
fn what_does_not_belong_together_is_broken() {
    let good = Material::new(NAME, at(0)).unwrap();
    let other = Material::new(NAME, at(0)).unwrap();
    for (case, broken) in [
        (
            "another key",
            Material {
                authority_key: other.authority_key.clone(),
                ..good.clone()
            },
        ),
        (
            "no authority",
            Material {
                authorities: String::new(),
                ..good.clone()
            },
        ),
        (
            "no key",
            Material {
                authority_key: String::new(),
                ..good.clone()
            },
        ),
        (
            "nonsense",
            Material {
                authorities: "nonsense".to_owned(),
                ..good.clone()
            },
        ),
    ] {
        assert_eq!(broken.facts(NAME, at(0)), SecretFacts::Broken, "{case}");
    }
    for (case, useless) in [
        (
            "somebody else's leaf",
            Material {
                certificate: other.certificate.clone(),
                key: other.key.clone(),
                ..good.clone()
            },
        ),
        (
            "another key",
            Material {
                key: other.key,
                ..good.clone()
            },
        ),
        (
            "no leaf",
            Material {
                certificate: String::new(),
                ..good
            },
        ),
    ] {
        assert_eq!(leaf(&useless, at(0)), Leaf::Useless, "{case}");
    }
}

#[test]
fn nobody_sees_the_keys() {
    let material = Material::new(NAME, at(0)).unwrap();
    assert_eq!(format!("{material:?}"), "Material { .. }");
}
