//! Accepts a socket without a credential, if there is room for one that waits.

use std::io::IoSlice;
use std::sync::Arc;

use pingora::protocols::Stream;

use crate::gate::first_message::{Awaited, AwaitedForm};
use crate::gate::permit::Provisional;
use crate::proxy::connection::After;
use crate::proxy::connection::asked::Asked;
use crate::proxy::connection::first_message::{DECLINED, Kept, Seat, Stranger, Waiting, Way};
use crate::proxy::connection::refuse::Refusal;
use crate::proxy::exchange::Failure;
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::record::{Outcome, Record};
use crate::proxy::upgrade::{self, Handshaken, Offer, Switched};
use crate::proxy::websocket::Behind;
use crate::request_id;
use crate::session::unauthenticated::Full;

impl Asked<'_> {
    /// Accepts the socket and lets it wait.
    pub(in crate::proxy::connection) async fn await_first_message(
        &self,
        stream: &mut Stream,
        awaited: Awaited<'_>,
        record: Record<'_>,
    ) -> After {
        let worker = self.connection.worker;
        let Awaited {
            route,
            entrance,
            deadline,
            form,
        } = awaited;
        let offered = match self.may_open() {
            Ok(offered) => offered,
            Err(refusal) => return self.fail_with(stream, &route, refusal, record).await,
        };
        let limits = &self.policy.limits.unauthenticated;
        let entered = worker
            .shared
            .unauthenticated
            .enter(self.request.client, limits);
        let seat = match entered {
            Ok(place) => Seat {
                place,
                _gauge: worker.shared.metrics.unauthenticated_socket(),
            },
            Err(full) => {
                let refusal = too_many(full);
                record.series().decision("deny", refusal.reason);
                return self.fail_with(stream, &route, refusal, record).await;
            }
        };
        let (answer, way) = match form {
            AwaitedForm::Json => {
                let protocol = offered.first().copied();
                let answer = upgrade::accept(&self.request, protocol, &self.answer_headers());
                (answer, Way::Json(self.kept()))
            }
            AwaitedForm::SocketioAuth2(provisional) => {
                match self.shake_hands(&provisional, &offered).await {
                    Ok(shaken) => shaken,
                    Err(failure) => return self.fail(stream, &route, failure, record).await,
                }
            }
        };
        if write_all(stream, &mut [IoSlice::new(&answer)], WRITE_STALL)
            .await
            .is_err()
        {
            record.finish(Outcome::ClientGone);
            return After::Close;
        }
        // What there is to record is known when the message is judged.
        After::Waiting(Box::new(Waiting {
            seat,
            stranger: Stranger {
                worker: Arc::clone(worker),
                entrance,
                route,
                who: self.who,
            },
            way,
            deadline,
        }))
    }

    fn kept(&self) -> Kept {
        Kept {
            peer: self.connection.peer,
            secure: self.connection.secure,
            head: self.head_bytes.to_vec().into(),
            from_client: self.behind.to_vec(),
        }
    }

    /// Makes the upstream's handshake before anything is proven. What it answers, if it declines,
    /// is not for the client.
    async fn shake_hands(
        &self,
        provisional: &Provisional<'_>,
        offered: &[&str],
    ) -> Result<(Vec<u8>, Way), Failure> {
        let id = request_id::session_id();
        let permit = provisional.for_the_handshake();
        let handshaken = upgrade::handshake(
            &self.connection.worker.connector,
            permit,
            &self.request,
            Offer {
                subprotocols: offered,
                extensions: false,
            },
            &self.outgoing(permit, Some(id)),
            self.head_bytes,
            &self.answer_headers(),
        )
        .await?;
        match handshaken {
            Handshaken::Switched(Switched {
                line,
                early,
                answer,
            }) => {
                let behind = Behind {
                    upstream: line,
                    from_client: self.behind.to_vec(),
                    from_upstream: early,
                };
                Ok((answer, Way::Socketio { id, behind }))
            }
            Handshaken::Declined(_) => Err(Failure::Upstream(DECLINED)),
        }
    }
}

fn too_many(full: Full) -> Refusal<'static> {
    let (status, message) = match full {
        Full::Client => (
            429,
            "too many sockets of this client wait for their credential",
        ),
        Full::Total => (503, "too many sockets wait for their credential"),
    };
    Refusal {
        status,
        reason: "limited",
        message,
        headers: "Retry-After: 1\r\n".to_owned(),
    }
}
