//! Some hundreds of exchanges drawn at random, always the same ones: what the backend received
//! and what the client heard must be the same on both sides.

mod dice;
mod plan;
mod seen;

use std::fmt::Debug;
use std::sync::Arc;

use dice::Dice;
use plan::{Conversation, Framing, Step};
use seen::{Heard, Sent, converse};

use super::super::support::recorder::Exchange;
use super::{Side, both};

const SEED: u64 = 0x1d6a_7e00_2026;
const CONVERSATIONS: usize = 250;

#[test]
fn drawn_exchanges_end_the_same_on_both_sides() {
    let mut dice = Dice::new(SEED);
    let plan: Arc<Vec<Conversation>> = Arc::new(
        (0..CONVERSATIONS)
            .map(|number| Conversation::draw(&mut dice, number))
            .collect(),
    );
    let answers = Arc::clone(&plan);
    let sides = both(move |exchange| answer(&answers, exchange));
    let mut known = Known::default();
    let mut differences = Vec::new();
    for (number, conversation) in plan.iter().enumerate() {
        let [ours, theirs] = sides.each_ref().map(|Side { gate, backend }| {
            let heard = converse(&mut gate.client(), conversation);
            let sent: Vec<Sent> = backend.take().into_iter().map(Sent::from).collect();
            (heard, comparable(conversation, sent))
        });
        let explained = (known.explain(conversation, &ours.0, theirs.0), theirs.1);
        if ours != explained {
            differences.push(format!(
                "conversation {number}: {}{}{}",
                conversation.told(),
                parting(&ours.0, &explained.0),
                parting(&ours.1, &explained.1),
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} conversations differ, the first of them:\n{}",
        differences.len(),
        differences
            .into_iter()
            .take(3)
            .collect::<Vec<_>>()
            .join("\n")
    );
    // A list with more than what occurs would not be closed.
    let Known {
        continued,
        trailers,
        until_close,
        versions,
    } = known;
    for (times, difference) in [
        (continued, "the end of the connection after a 100"),
        (trailers, "dropped trailers"),
        (until_close, "chunks in the place of the connection's end"),
        (versions, "the upstream's version"),
    ] {
        assert!(times > 0, "on the list, but not seen: {difference}");
    }
}

/// The first place where two lists part.
fn parting<T: Debug + PartialEq>(ours: &[T], theirs: &[T]) -> String {
    let at = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at));
    at.map_or_else(String::new, |at| {
        format!(
            "  ours {at}: {:?}\n  theirs: {:?}\n",
            ours.get(at),
            theirs.get(at)
        )
    })
}

/// What the backend does with a request.
fn answer(plan: &[Conversation], exchange: &mut Exchange) {
    let Some(step) = Step::find(plan, exchange.head.target()) else {
        // The question whether a connection is still open.
        return exchange.ok();
    };
    let answer = &step.answer;
    exchange.send(answer.interim);
    if !answer.early {
        exchange.read_body();
    }
    for piece in &answer.pieces {
        exchange.send(piece);
    }
    if answer.early {
        exchange.wait_for_the_gate_to_give_up();
    } else if answer.closes {
        exchange.close();
    }
}

/// What the backend received, as far as it is decided by the conversation alone.
fn comparable(conversation: &Conversation, mut sent: Vec<Sent>) -> Vec<Sent> {
    sent.retain(|sent| !sent.is_question());
    for (sent, step) in sent.iter_mut().zip(&conversation.steps) {
        if step.answer.early {
            // Whether the rest of the upload is carried after the answer is anybody's choice.
            sent.body.clear();
        }
    }
    sent
}

/// How often each known difference was seen.
#[derive(Debug, Default)]
struct Known {
    continued: usize,
    trailers: usize,
    until_close: usize,
    versions: usize,
}

impl Known {
    /// What the client would have heard from the reference without the known differences.
    fn explain(
        &mut self,
        conversation: &Conversation,
        ours: &[Heard],
        mut theirs: Vec<Heard>,
    ) -> Vec<Heard> {
        for ((theirs, ours), step) in theirs.iter_mut().zip(ours).zip(&conversation.steps) {
            let answer = &step.answer;
            // pingora-proxy passes the version of the upstream on; the gate says its own.
            if theirs.version == "HTTP/1.0" && answer.version == "HTTP/1.0" {
                theirs.version.replace_range(.., "HTTP/1.1");
                self.versions += 1;
            }
            // It drops the trailers of an answer; the gate passes them.
            if answer.has_trailers && theirs.trailers.is_empty() && !ours.trailers.is_empty() {
                theirs.trailers.clone_from(&ours.trailers);
                self.trailers += 1;
            }
            // It puts an answer that ends with its connection into chunks and goes on; the gate
            // passes it as it is, to its end.
            if answer.framing == Framing::UntilClose && theirs.remove("transfer-encoding") {
                theirs.remove("connection");
                theirs.add("connection", "close");
                theirs.stays_open = false;
                self.until_close += 1;
            }
            // It ends every connection on which it has passed a 100: the body was still to come
            // when it looked.
            if theirs.interim == [100] && !ours.has("connection") && theirs.remove("connection") {
                theirs.stays_open = ours.stays_open;
                self.continued += 1;
            }
        }
        theirs
    }
}
