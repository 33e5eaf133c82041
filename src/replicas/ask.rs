//! Questions to all replicas, and their answers within a bounded time.
//!
//! The store tells who is there when a question is asked, so the asker knows when everybody has
//! answered. One that is stuck, or has just died, does not answer: then the answer is not whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::replicas::event::{Said, kind};
use crate::replicas::id::{ProcessId, QuestionId};
use crate::replicas::script::{self, LONGEST_STREAM};
use crate::replicas::{Operation, Replicas, Unshared, answer};

/// How long the others may take to answer.
const PATIENCE: Duration = Duration::from_millis(250);

type Answers = UnboundedSender<(ProcessId, Said)>;

/// Questions that wait for answers.
#[derive(Debug, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<QuestionId, Answers>>>);

/// A question that was not asked yet, or waits for answers.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: QuestionId,
    answers: UnboundedReceiver<(ProcessId, Said)>,
    open: Arc<Mutex<HashMap<QuestionId, Answers>>>,
}

/// What the others have said in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gathered {
    pub(super) said: Said,
    /// Everybody has answered.
    pub(super) is_whole: bool,
}

impl Questions {
    pub(super) fn open(&self) -> Question {
        let id = QuestionId::fresh();
        let (sender, answers) = unbounded_channel();
        self.0.lock().insert(id, sender);
        Question {
            id,
            answers,
            open: Arc::clone(&self.0),
        }
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn answered(&self, question: QuestionId, by: ProcessId, said: Said) {
        if let Some(sender) = self.0.lock().get(&question) {
            // Nobody waits any more.
            let _ = sender.send((by, said));
        }
    }
}

impl Question {
    /// Waits for these to answer.
    pub(super) async fn gather(mut self, peers: Vec<ProcessId>) -> Gathered {
        let deadline = Instant::now() + PATIENCE;
        let mut missing: HashSet<ProcessId> = peers.into_iter().collect();
        let mut all = Said::NOTHING;
        while !missing.is_empty() {
            let Ok(Some((by, said))) = timeout_at(deadline, self.answers.recv()).await else {
                break;
            };
            if missing.remove(&by) {
                all = all.and(said);
            }
        }
        Gathered {
            said: all,
            is_whole: missing.is_empty(),
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.open.lock().remove(&self.id);
    }
}

impl Replicas {
    /// Tells all others something and waits for what they say.
    pub(super) async fn ask(&self, kind: &'static str, body: &str) -> Result<Gathered, Unshared> {
        self.ask_by(self.questions.open(), kind, body).await
    }

    /// The same with a question that is open already.
    pub(super) async fn ask_by(
        &self,
        question: Question,
        kind: &'static str,
        body: &str,
    ) -> Result<Gathered, Unshared> {
        let mut commands = Pipeline::new();
        commands.add_command(self.telling(Some(question.id), kind, body));
        let answer = self.request(Operation::Ask, &commands).await?.pop();
        let peers = answer.and_then(|answer| self.peers(answer));
        Ok(question.gather(peers.ok_or(Unshared::Garbled)?).await)
    }

    /// Answers a question of another.
    pub(super) async fn say(&self, question: QuestionId, said: Said) {
        let mut commands = Pipeline::new();
        commands.add_command(self.telling(Some(question), kind::ANSWER, &said.encode()));
        // Whoever asked does not wait for ever; an error was counted.
        let _ = self.call(&self.background, Operation::Ask, &commands).await;
    }

    fn telling(&self, question: Option<QuestionId>, kind: &str, body: &str) -> ::redis::Cmd {
        let keys = &self.keys;
        let mut command = script::run(script::TELL, &[&keys.events, &keys.processes]);
        command
            .arg(self.process.to_string())
            .arg(question.map_or_else(String::new, |question| question.to_string()))
            .arg(LONGEST_STREAM)
            .arg(kind)
            .arg(body);
        command
    }

    /// Who else is there, as a script answers.
    pub(super) fn peers(&self, answer: Value) -> Option<Vec<ProcessId>> {
        let all = answer::texts(answer)?.into_iter();
        let all = all.map(|text| ProcessId::parse(&text));
        let mut peers = all.collect::<Option<Vec<_>>>()?;
        peers.retain(|peer| *peer != self.process);
        Some(peers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sessions: usize, end: i64) -> Said {
        Said {
            sessions,
            verdicts: 1,
            end,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_added_up_until_everybody_has_answered() {
        let questions = Questions::default();
        let question = questions.open();
        let (one, other, stranger) = (ProcessId::fresh(), ProcessId::fresh(), ProcessId::fresh());
        questions.answered(question.id, one, said(1, 7));
        questions.answered(question.id, one, said(5, 9));
        questions.answered(question.id, stranger, said(5, 9));
        questions.answered(question.id, other, said(2, 5));
        let heard = question.gather(vec![one, other]).await;
        let expected = Said {
            sessions: 3,
            verdicts: 2,
            end: 7,
        };
        assert_eq!(
            heard,
            Gathered {
                said: expected,
                is_whole: true
            }
        );
        assert!(questions.0.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_without_end() {
        let questions = Questions::default();
        let question = questions.open();
        let (one, other) = (ProcessId::fresh(), ProcessId::fresh());
        questions.answered(question.id, one, said(1, 7));
        let begin = Instant::now();
        let heard = question.gather(vec![one, other]).await;
        assert_eq!(begin.elapsed(), PATIENCE);
        assert_eq!((heard.said.sessions, heard.is_whole), (1, false));
        assert!(questions.0.lock().is_empty());
        let alone = questions.open().gather(Vec::new()).await;
        assert_eq!((alone.said, alone.is_whole), (Said::NOTHING, true));
    }
}
