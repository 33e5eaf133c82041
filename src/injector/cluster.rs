//! The injector's own calls to the API server: one Secret by its name, one webhook configuration by
//! its name, and once the Deployment that the Secret belongs to. Nothing is listed or watched, so the
//! rights for that need not be given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use json_patch::PatchOperation;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::authority::{Failure, Material};
use super::files::every;
use super::state::State;
use super::upkeep::{Bundle, Facts, SecretFacts, Step, decide};
use crate::clock::{self, UnixTime};

/// How often all of it is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// A call that takes longer is as good as failed.
const CALL: Duration = Duration::from_secs(5);
/// How often the cluster's version is asked for, since it may be raised.
const VERSION: Duration = Duration::from_mins(10);
/// A failure that stays is told of again after so many looks: every five minutes.
const TOLD_AGAIN: u32 = 100;

/// What the certificates are for, and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) namespace: String,
    pub(super) service: String,
    pub(super) secret: String,
    pub(super) webhook: String,
    /// The Secret goes when this goes.
    pub(super) owner_deployment: Option<String>,
}

impl Names {
    /// As the API server calls the webhook.
    fn server(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }
}

/// Why a turn came to nothing.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("{what}: {source}")]
    Call {
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Material(#[from] Failure),
    #[error("{what}: no answer within {} s", CALL.as_secs())]
    Slow { what: &'static str },
}

impl CallError {
    /// Somebody else was faster; what there is now is read in the next turn.
    fn is_conflict(&self) -> bool {
        match self {
            Self::Call { source, .. } => {
                let kube::Error::Api(status) = &**source else {
                    return false;
                };
                status.is_conflict() || status.is_already_exists()
            }
            Self::Material(_) | Self::Slow { .. } => false,
        }
    }
}

async fn call<T>(
    what: &'static str,
    calling: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match timeout(CALL, calling).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => {
            let source = Box::new(source);
            Err(CallError::Call { what, source })
        }
        Err(_) => Err(CallError::Slow { what }),
    }
}

/// Learns the cluster's version, and goes on to ask.
pub(super) async fn follow_version(state: Arc<State>, client: Client) {
    let mut told = false;
    loop {
        let asked = call("the cluster's version", client.apiserver_version()).await;
        let version = asked.map(|info| format!("{}.{}", info.major, info.minor).parse());
        let pause = match version {
            Ok(Ok(version)) => {
                if state.kubernetes() != Some(version) {
                    info!(%version, "the cluster's version");
                    state.learn_kubernetes(version);
                }
                VERSION
            }
            problem => {
                if !std::mem::replace(&mut told, true) {
                    warn!(
                        ?problem,
                        "the cluster's version is not known; one of today is assumed"
                    );
                }
                LOOK
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Keeps certificates and the webhook's trust in them in order.
pub(super) async fn keep(state: Arc<State>, client: Client, names: Names) {
    let keeper = Keeper {
        secrets: Api::namespaced(client.clone(), &names.namespace),
        deployments: Api::namespaced(client.clone(), &names.namespace),
        webhooks: Api::all(client),
        names,
    };
    let mut looks = every(LOOK);
    let mut failures = 0;
    loop {
        looks.tick().await;
        // Two turns at once after a change: what follows from it need not wait.
        let outcome = match keeper.turn(&state, clock::now()).await {
            Ok(true) => keeper.turn(&state, clock::now()).await,
            other => other,
        };
        match outcome {
            Err(error) if error.is_conflict() => {}
            Ok(_) => {
                failures = 0;
                state.metrics.certificate_checked(true);
            }
            Err(error) => {
                if failures % TOLD_AGAIN == 0 {
                    error!(%error, "certificates");
                }
                failures += 1;
                state.metrics.certificate_checked(false);
            }
        }
    }
}

struct Keeper {
    secrets: Api<Secret>,
    deployments: Api<Deployment>,
    webhooks: Api<MutatingWebhookConfiguration>,
    names: Names,
}

/// A Secret as it was read.
struct Stored {
    secret: Secret,
    material: Material,
}

impl Keeper {
    /// Looks and does what is to be done; whether that has changed something.
    async fn turn(&self, state: &State, now: UnixTime) -> Result<bool, CallError> {
        let server = self.names.server();
        let secret = call("the Secret", self.secrets.get_opt(&self.names.secret)).await?;
        let stored = secret.map(Stored::of);
        let webhook = call("the webhook", self.webhooks.get_opt(&self.names.webhook)).await?;
        let authorities = stored
            .as_ref()
            .map_or("", |stored| stored.material.authorities.as_str());
        let facts = Facts {
            secret: stored.as_ref().map_or(SecretFacts::Absent, |stored| {
                stored.material.facts(&server, now)
            }),
            bundle: bundle(webhook.as_ref(), authorities),
        };
        let mut has_changed = false;
        for step in decide(facts, now) {
            has_changed |= self
                .take(step, state, stored.as_ref(), webhook.as_ref(), now)
                .await?;
        }
        if facts.bundle == Bundle::Agrees {
            state.trusted();
        }
        Ok(has_changed)
    }

    async fn take(
        &self,
        step: Step,
        state: &State,
        stored: Option<&Stored>,
        webhook: Option<&MutatingWebhookConfiguration>,
        now: UnixTime,
    ) -> Result<bool, CallError> {
        let server = self.names.server();
        let material = match (step, stored) {
            (Step::Show, Some(stored)) => {
                if let Some(identity) = stored.material.identity() {
                    state.show(identity);
                }
                return Ok(false);
            }
            (Step::Trust, Some(stored)) => {
                if let Some(webhook) = webhook {
                    self.trust(webhook, &stored.material.authorities).await?;
                }
                return Ok(true);
            }
            (Step::Create | Step::Replace, _) => Material::new(&server, now)?,
            (Step::AddAuthority, Some(stored)) => stored.material.with_new_authority(now)?,
            (Step::IssueLeaf, Some(stored)) => stored.material.with_new_leaf(&server, now)?,
            (Step::DropOldAuthorities, Some(stored)) => stored.material.without_old_authorities(),
            // Every other step is about a Secret that is there.
            (_, None) => return Ok(false),
        };
        let parameters = PostParams::default();
        if let Some(stored) = stored {
            let mut secret = stored.secret.clone();
            secret.data = Some(data(&material));
            let name = &self.names.secret;
            // With the version that was read, so that the second of two writers fails.
            let replaced = self.secrets.replace(name, &parameters, &secret);
            call("writing the Secret", replaced).await?;
        } else {
            let secret = self.new_secret(&material).await;
            let created = self.secrets.create(&parameters, &secret);
            call("creating the Secret", created).await?;
        }
        info!(secret = self.names.secret, step = ?step, "certificates");
        Ok(true)
    }

    async fn new_secret(&self, material: &Material) -> Secret {
        let labels = [
            ("app.kubernetes.io/name", "imgate"),
            ("app.kubernetes.io/component", "injector"),
            ("app.kubernetes.io/managed-by", "imgate-injector"),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Secret {
            metadata: ObjectMeta {
                name: Some(self.names.secret.clone()),
                labels: Some(BTreeMap::from(labels)),
                owner_references: self.owner().await.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(data(material)),
            ..Secret::default()
        }
    }

    /// The Deployment, so that the Secret goes with it. Without it the Secret stays, which is no
    /// reason to have none.
    async fn owner(&self) -> Option<OwnerReference> {
        let name = self.names.owner_deployment.as_deref()?;
        let found = call("the Deployment", self.deployments.get_opt(name)).await;
        let uid = match found {
            Ok(deployment) => deployment.and_then(|one| one.metadata.uid),
            Err(error) => {
                warn!(%error, "the Secret will have no owner");
                None
            }
        };
        Some(OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
            uid: uid?,
            ..OwnerReference::default()
        })
    }

    async fn trust(
        &self,
        webhook: &MutatingWebhookConfiguration,
        authorities: &str,
    ) -> Result<(), CallError> {
        let patch: Patch<()> = Patch::Json(bundle_patch(webhook, authorities));
        let parameters = PatchParams::default();
        let patched = self
            .webhooks
            .patch(&self.names.webhook, &parameters, &patch);
        call("the webhook's caBundle", patched).await?;
        info!(webhook = self.names.webhook, "caBundle written");
        Ok(())
    }
}

impl Stored {
    fn of(secret: Secret) -> Self {
        let text = |key: &str| {
            let data = secret.data.as_ref().and_then(|data| data.get(key));
            let text = data.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
            text.unwrap_or_default()
        };
        let material = Material {
            authorities: text("ca.crt"),
            authority_key: text("ca.key"),
            certificate: text("tls.crt"),
            key: text("tls.key"),
        };
        Self { secret, material }
    }
}

fn data(material: &Material) -> BTreeMap<String, ByteString> {
    [
        ("ca.crt", &material.authorities),
        ("ca.key", &material.authority_key),
        ("tls.crt", &material.certificate),
        ("tls.key", &material.key),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), ByteString(text.as_bytes().to_vec())))
    .collect()
}

fn bundle(webhook: Option<&MutatingWebhookConfiguration>, authorities: &str) -> Bundle {
    let Some(entries) = webhook.and_then(|webhook| webhook.webhooks.as_ref()) else {
        return Bundle::NoWebhook;
    };
    let agrees = entries.iter().all(|entry| {
        let bundle = entry.client_config.ca_bundle.as_ref();
        bundle.is_some_and(|bundle| bundle.0 == authorities.as_bytes())
    });
    if agrees {
        Bundle::Agrees
    } else {
        Bundle::Differs
    }
}

/// Each entry is named before it is changed: if somebody has changed the list meanwhile, nothing
/// happens.
fn bundle_patch(webhook: &MutatingWebhookConfiguration, authorities: &str) -> json_patch::Patch {
    let bundle = ByteString(authorities.as_bytes().to_vec());
    let entries = webhook.webhooks.iter().flatten().enumerate();
    let operations = entries.flat_map(|(index, entry)| {
        [
            json!({ "op": "test", "path": format!("/webhooks/{index}/name"), "value": entry.name }),
            json!({
                "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle,
            }),
        ]
    });
    let operations = operations.filter_map(|one| serde_json::from_value(one).ok());
    json_patch::Patch(operations.collect::<Vec<PatchOperation>>())
}

#[cfg(test)]
mod tests {
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
}
