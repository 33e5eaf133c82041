//! Commands of any kind, in one round trip and within the time limit.

use ::redis::{Pipeline, Value};
use tokio::time::{Instant, timeout_at};

use super::answer::reason;
use super::{Live, Redis};
use crate::scheme::sa_token::StoreError;

impl Redis {
    /// Sends the commands and gives the answer to each. A connection that has died is replaced once,
    /// so a command may be carried out twice; it must be one that this does not harm.
    ///
    /// # Errors
    ///
    /// If there is no answer in time, or one of the commands was refused.
    pub async fn call(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let live = self.connection(deadline).await?;
        if live.is_fresh {
            return self.send(&live, commands, deadline).await;
        }
        let half = Instant::now() + self.timeout / 2;
        match self.send(&live, commands, half).await {
            Err(StoreError::Unreachable { .. } | StoreError::Timeout) => {
                let live = self.connection(deadline).await?;
                self.send(&live, commands, deadline).await
            }
            outcome => outcome,
        }
    }

    async fn send(
        &self,
        live: &Live,
        commands: &Pipeline,
        deadline: Instant,
    ) -> Result<Vec<Value>, StoreError> {
        let mut connection = live.connection.clone();
        let answers = timeout_at(deadline, commands.query_async(&mut connection))
            .await
            .map_err(|_| StoreError::Timeout)
            .and_then(|answers| answers.map_err(reason));
        match &answers {
            Ok(_) => self.keep(live.attempt),
            Err(StoreError::Unreachable { .. } | StoreError::Timeout) => self.discard(live.attempt),
            Err(_) => {}
        }
        answers
    }
}
