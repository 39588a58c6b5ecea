//! Sends one request and receives its answer, within its bounds.

use std::sync::Arc;

use jiff::Timestamp;
use reqwest::{Client, Request, Response};

use super::{body, failure, headers, phases::Stopwatch, quota};
use crate::domain::{Answer, Body, Check, Seen};

/// The most that a body may hold, decoded. More than any page of Hex, and little enough to hold at once.
const LARGEST_BODY: usize = 1024 * 1024;

/// Sends a request and reduces what comes back to what the rules need. `now` is our wall clock, for
/// answers without a date of their own.
pub(super) async fn exchange(
    client: &Client,
    request: Request,
    check: Check,
    now: impl Fn() -> Timestamp,
    stopwatch: &Arc<Stopwatch>,
) -> Seen {
    match stopwatch.over(client.execute(request)).await {
        Ok(response) => {
            stopwatch.head();
            Seen::Answer(answer(response, check, now(), stopwatch).await)
        }
        Err(error) => unanswered(error),
    }
}

async fn answer(mut response: Response, check: Check, now: Timestamp, stopwatch: &Stopwatch) -> Answer {
    let received = receive(&mut response).await;
    let head = response.headers();
    let content = headers::content(head);
    let body = match received {
        Ok(bytes) => {
            stopwatch.end();
            body::read(&bytes, content, check)
        }
        Err(cut) => cut,
    };
    let date = headers::date(head);
    let now = date.unwrap_or(now);
    Answer {
        status: response.status().as_u16(),
        json_content: content == body::Content::Json,
        bearer_challenge: headers::bearer_challenge(head),
        cached: headers::cached(head),
        date,
        retry_after: headers::retry_after(head, now),
        quota: quota::read(head, now),
        moved_within_hex: response.status().is_redirection()
            && headers::moved_within_hex(head, response.url()),
        body,
    }
}

/// The whole body, or what it is instead. A body that cannot be decoded counts as cut off.
async fn receive(response: &mut Response) -> Result<Vec<u8>, Body> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > LARGEST_BODY => return Err(Body::TooLarge),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(_) => return Err(Body::Truncated),
        }
    }
}

fn unanswered(error: reqwest::Error) -> Seen {
    let error = error.without_url();
    if failure::is_proxy_challenge(&error) {
        // What a proxy answers instead of opening a tunnel. The client keeps its status alone.
        return Seen::Answer(Answer::bare(407, Body::Other));
    }
    let failure = failure::of(&error);
    // The observation keeps the class alone; whoever looks for the cause needs the words.
    tracing::debug!(?failure, cause = failure::root(&error), "a request got no answer");
    Seen::Failed(failure)
}
