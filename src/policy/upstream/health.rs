//! Whether an address is well, as far as requests and questions have shown.
//!
//! A request that cannot connect has its address left out at once. Then the gate itself asks: without a
//! rule by connecting, after a time that grows with each failure, and one success is enough; with a
//! rule as that says, also while the address is well. No request is risked on one that is left out
//! as long as there is another.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Steady;
use crate::config::document::HealthRule;

/// How long an address is left alone when a request could not connect.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The pause doubles with each failure up to this.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is known of one address.
#[derive(Debug)]
pub(super) struct State {
    is_up: bool,
    /// What somebody was told last.
    told: bool,
    /// Answers in a row that speak against `is_up`.
    against: u32,
    /// Questions in a row that failed since it was left out.
    failed: u32,
    next: Steady,
    problem: Option<Arc<str>>,
}

/// What has changed with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Found,
    Lost { problem: Arc<str> },
}

impl Default for State {
    fn default() -> Self {
        Self {
            is_up: true,
            told: true,
            against: 0,
            failed: 0,
            next: Steady::from_millis(0),
            problem: None,
        }
    }
}

impl State {
    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    pub(super) fn problem(&self) -> Option<Arc<str>> {
        self.problem.clone()
    }

    /// A request could not connect. Those that began together count as one.
    pub(super) fn unreachable(&mut self, problem: &str, now: Steady) {
        if self.is_up {
            self.turn(false);
            self.problem = Some(problem.into());
            self.next = now.plus(FIRST_PAUSE);
        }
    }

    /// A request has connected, since there was nobody else. Where more than that is asked for, it
    /// proves nothing.
    pub(super) fn reached(&mut self, rule: Option<&HealthRule>) {
        if rule.is_none() && !self.is_up {
            self.turn(true);
            self.problem = None;
        }
    }

    pub(super) fn is_due(&self, rule: Option<&HealthRule>, now: Steady) -> bool {
        (rule.is_some() || !self.is_up) && now >= self.next
    }

    /// A question was answered, well or not.
    pub(super) fn asked(
        &mut self,
        rule: Option<&HealthRule>,
        outcome: Result<(), &str>,
        jitter: u8,
        now: Steady,
    ) {
        let is_well = outcome.is_ok();
        if let Err(problem) = outcome {
            self.problem = Some(problem.into());
        }
        let pause = match rule {
            Some(rule) => {
                let enough = if self.is_up {
                    rule.unhealthy_after
                } else {
                    rule.healthy_after
                };
                self.against = if is_well == self.is_up {
                    0
                } else {
                    self.against.saturating_add(1)
                };
                if self.against >= enough {
                    self.turn(is_well);
                }
                rule.interval
            }
            None if is_well => {
                self.turn(true);
                FIRST_PAUSE
            }
            None => {
                self.failed = self.failed.saturating_add(1);
                let doubled = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.failed));
                doubled.min(LONGEST_PAUSE)
            }
        };
        if self.is_up {
            self.problem = None;
        }
        self.next = now.plus(jittered(pause, jitter));
    }

    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        if self.told == self.is_up {
            return None;
        }
        self.told = self.is_up;
        if self.is_up {
            return Some(Turn::Found);
        }
        let problem = self.problem.clone().unwrap_or_default();
        Some(Turn::Lost { problem })
    }

    fn turn(&mut self, is_up: bool) {
        self.is_up = is_up;
        self.against = 0;
        self.failed = 0;
    }
}

/// Up to a tenth more or less, so that replicas do not all ask at once.
fn jittered(pause: Duration, jitter: u8) -> Duration {
    let tenth = pause / 10;
    pause
        .saturating_sub(tenth)
        .saturating_add(tenth.saturating_mul(2).mul_f64(f64::from(jitter) / 255.0))
}
