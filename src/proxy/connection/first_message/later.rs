//! Credentials in later messages of a client that is known: it may prove itself again, but not be
//! somebody else.

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock;
use crate::gate::first_message::{Entrance, Occasion, Presented};
use crate::gate::permit::Permit;
use crate::gate::standing::Standing;
use crate::policy::Policy;
use crate::principal::ClaimKey;
use crate::proxy::connection::asked::Asked;
use crate::proxy::connection::first_message::Stranger;
use crate::proxy::websocket::is_overtaken;
use crate::session::CloseReason;
use crate::session::live::{Live, Renewal};
use crate::session::registry::Session;
use crate::tunnel::{Beyond, Inspected, Inspection, Inspector};
use crate::wire::json;
use crate::wire::socketio::{self, FromClient};

/// Socket.IO servers take no longer packets, unless told to.
const LONGEST_TEXT: usize = 1_000_000;

/// Whoever inspects the texts of one session.
struct Again {
    stranger: Stranger,
    live: Arc<Live>,
    /// Who the session belongs to.
    who: Option<ClaimKey>,
    form: Form,
}

/// What a message with a credential looks like.
enum Form {
    /// The upstream gets it, too.
    Auth2,
    /// JSON with a text at this place. It is the gate's.
    Renewal(Arc<str>),
}

/// Looks at whatever the client of this session says.
pub(super) fn inspection(
    stranger: &Stranger,
    permit: &Permit<'_>,
    session: &Session,
) -> Inspection {
    Inspection {
        limit: LONGEST_TEXT,
        beyond: Beyond::Close(CloseReason::TooLarge),
        inspector: Box::new(Again {
            stranger: stranger.clone(),
            live: Arc::clone(session.live()),
            who: permit.claim_key(),
            form: Form::Auth2,
        }),
    }
}

/// Looks for new credentials in the messages of a session whose route wants them there.
pub(in crate::proxy::connection) fn renewal_inspection(
    asked: &Asked<'_>,
    permit: &Permit<'_>,
    session: &Session,
) -> Option<Inspection> {
    let pointer = permit.route.renewal_pointer()?;
    let stranger = Stranger {
        worker: Arc::clone(asked.connection.worker),
        entrance: Entrance::of_permitted(&asked.request, permit),
        route: Arc::clone(&permit.route),
        who: asked.who,
    };
    Some(Inspection {
        // Room for the credential and what is around it.
        limit: asked.policy.limits.credential_bytes.saturating_mul(2),
        beyond: Beyond::Pass,
        inspector: Box::new(Again {
            stranger,
            live: Arc::clone(session.live()),
            who: permit.claim_key(),
            form: Form::Renewal(Arc::clone(pointer)),
        }),
    })
}

#[async_trait]
impl Inspector for Again {
    async fn inspect(&mut self, text: &[u8]) -> Inspected {
        if let Form::Renewal(pointer) = &self.form {
            return match json::value(text) {
                // Whatever stands there is meant for the gate. Of somebody who is not known, on a
                // route that only observes, there is nothing that it could prolong.
                Ok(value) if json::at(&value, pointer).is_some() && self.who.is_none() => {
                    Inspected::Consume
                }
                Ok(value) if json::at(&value, pointer).is_some() => {
                    match self.prove_again(Presented::Renewal(&value)).await {
                        // Where nobody can tell, or is asked, the session lives on as before.
                        Ok(()) | Err(CloseReason::TooMany | CloseReason::TryAgain) => {
                            Inspected::Consume
                        }
                        Err(reason) => Inspected::Close(reason),
                    }
                }
                Ok(_) | Err(json::NotStrict) => Inspected::Pass,
            };
        }
        if !socketio::may_be_auth2(text) {
            return Inspected::Pass;
        }
        if let Ok(FromClient::Auth2 {
            credentials: Ok(event),
            ..
        }) = socketio::from_client(text)
        {
            return match self.prove_again(Presented::Auth2(&event)).await {
                Ok(()) => Inspected::Pass,
                Err(reason) => Inspected::Close(reason),
            };
        }
        let denial = self.stranger.malformed();
        self.stranger.count_denial(&denial);
        Inspected::Close(CloseReason::of_message(&denial))
    }
}

impl Again {
    /// Prolongs the session by what is presented, or says why it ends.
    async fn prove_again(&self, presented: Presented<'_>) -> Result<(), CloseReason> {
        let policy = self.stranger.worker.shared.policy();
        let judging = self
            .stranger
            .judge_quietly(&policy, presented, Occasion::Again);
        match judging.await {
            // The same user of the same realm and app, on the same type of device.
            Ok((permit, _)) if permit.claim_key() == self.who && self.who.is_some() => {
                self.renew(&policy, &permit);
                Ok(())
            }
            Ok(_) => Err(CloseReason::Denied),
            Err((denial, _)) => Err(CloseReason::of_message(&denial)),
        }
    }

    /// Lets the session live on what has been proven now.
    fn renew(&self, policy: &Policy, permit: &Permit<'_>) {
        let shared = &self.stranger.worker.shared;
        let admission = permit.admission.as_ref();
        let renewal = Renewal::new(
            Standing::of_message(permit, policy, &self.stranger.entrance),
            admission.and_then(|admission| admission.not_after),
        );
        shared.registry.renew_one(&self.live, &renewal);
        if is_overtaken(shared, permit) {
            // It has the new proof by now, so whatever came meanwhile is asked of it.
            let policy = shared.policy();
            let _ = shared.registry.judge_one(&self.live, &policy, clock::now());
        }
    }
}
