//! `imgate ping`: one question over plain HTTP, for health checks in an image that has no other client.

use clap::Args;

use crate::cli::demo::client::{self, Ask, Url};
use crate::cli::{Exit, complain};

/// `imgate ping URL`
#[derive(Debug, Args)]
pub struct PingArgs {
    /// Such as `http://127.0.0.1:9690/readyz`
    url: Url,
}

/// Asks once. Nothing is printed of a 200.
pub fn ping(args: &PingArgs) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answer = match runtime {
        Ok(runtime) => runtime.block_on(client::send(&Ask::get(args.url.clone()))),
        Err(error) => {
            complain(&error.to_string());
            return Exit::Failed;
        }
    };
    match answer {
        Ok(answer) if answer.status == 200 => Exit::Done,
        Ok(answer) => {
            complain(&answer.to_string());
            Exit::Failed
        }
        Err(error) => {
            complain(&error.to_string());
            Exit::Failed
        }
    }
}
