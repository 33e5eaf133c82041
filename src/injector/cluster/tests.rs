use super::*;

fn webhook(bundles: &[Option<&str>]) -> MutatingWebhookConfiguration {
    let entries: Vec<_> = bundles
        .iter()
        .enumerate()
        .map(|(index, bundle)| {
            let bundle = bundle.map(|text| ByteString(text.as_bytes().to_vec()));
            json!({
                "name": format!("{index}.imgate.dev"), "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "clientConfig": { "caBundle": bundle },
            })
        })
        .collect();
    serde_json::from_value(json!({ "metadata": { "name": "w" }, "webhooks": entries })).unwrap()
}

#[test]
fn every_entry_has_to_trust_us() {
    for (case, webhook, expected) in [
        ("no webhook", None, Bundle::NoWebhook),
        (
            "all entries",
            Some(webhook(&[Some("ca"), Some("ca")])),
            Bundle::Agrees,
        ),
        (
            "one has nothing",
            Some(webhook(&[Some("ca"), None])),
            Bundle::Differs,
        ),
        (
            "one has another",
            Some(webhook(&[Some("ca"), Some("other")])),
            Bundle::Differs,
        ),
    ] {
        assert_eq!(bundle(webhook.as_ref(), "ca"), expected, "{case}");
    }
}

#[test]
fn the_patch_sets_every_bundle_and_nothing_when_the_list_has_changed() {
    let before = webhook(&[None, Some("other")]);
    let patch = bundle_patch(&before, "ca");
    let mut object = serde_json::to_value(&before).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    let after: MutatingWebhookConfiguration = serde_json::from_value(object).unwrap();
    assert_eq!(bundle(Some(&after), "ca"), Bundle::Agrees);
    let mut other = serde_json::to_value(webhook(&[None])).unwrap();
    other["webhooks"][0]["name"] = "elsewhere.imgate.dev".into();
    json_patch::patch(&mut other, &patch).unwrap_err();
}
