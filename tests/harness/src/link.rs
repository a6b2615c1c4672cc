//! The way between a client and a server, which a test can cut or slow down.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;
use karmada_rest::access::UserInfo;
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::{BoxError, Service as _};

/// The way between some clients and a server. Clones are the same way.
#[derive(Clone, Default)]
pub struct Link(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    cut: bool,
    delay: Duration,
    /// Ends the answers that are under way (watches) when the link is cut.
    alive: CancellationToken,
}

fn broken() -> BoxError {
    std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "the link is cut").into()
}

impl Link {
    /// Fails all requests as an unreachable server does, and ends the watches that are open.
    pub fn cut(&self) {
        let mut state = self.0.lock();
        state.cut = true;
        state.alive.cancel();
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&self) {
        let mut state = self.0.lock();
        if state.cut {
            state.cut = false;
            state.alive = CancellationToken::new();
        }
    }

    /// Delays each request by this long.
    pub fn slow(&self, delay: Duration) {
        self.0.lock().delay = delay;
    }

    /// Whether the link is cut.
    pub fn is_cut(&self) -> bool {
        self.0.lock().cut
    }

    async fn pass(&self) -> Result<CancellationToken, BoxError> {
        let delay = self.0.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let state = self.0.lock();
        if state.cut { Err(broken()) } else { Ok(state.alive.clone()) }
    }

    /// A client over this link that is `user`.
    pub fn client(&self, router: Router, user: UserInfo, agent: &'static str) -> kube::Client {
        let link = self.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (link, mut router) = (link.clone(), router.clone());
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(user.clone());
            request.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static(agent));
            async move {
                let alive = link.pass().await?;
                let response = match router.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                Ok::<_, BoxError>(response.map(|body| Breakable {
                    body,
                    broken: Box::pin(alive.cancelled_owned()),
                    ended: false,
                }))
            }
        });
        kube::Client::new(service, "default")
    }
}

/// An answer that breaks off when its link is cut.
struct Breakable {
    body: Body,
    broken: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl http_body::Body for Breakable {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.broken.as_mut().poll(cx).is_ready() {
            self.ended = true;
            return Poll::Ready(Some(Err(broken())));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
