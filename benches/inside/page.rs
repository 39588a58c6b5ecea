//! The status page of 1,000 tokens, from the request to the last byte.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use criterion::Criterion;
use hex_token_exporter::{
    clock::SystemClock,
    domain::Name,
    http::{BoxFuture, Health, OnDemand, Parts, router},
    metrics::OwnMetrics,
};
use tower::ServiceExt;

use crate::{cpu::CpuTime, fleet::Fleet};

/// The rest of the process, as far as the page asks it.
struct Rest;

impl OnDemand for Rest {
    fn probe(&self, _: &Name) -> Option<BoxFuture<()>> {
        None
    }
}

impl Health for Rest {
    fn is_alive(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }
}

pub(crate) fn status_page(criterion: &mut Criterion<CpuTime>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let parts = Parts {
        store: Arc::new(Fleet::of(1_000).heard(Arc::new(SystemClock::start()))),
        own: Arc::new(OwnMetrics::new(0, 1).unwrap_or_else(|error| panic!("{error}"))),
        on_demand: Arc::new(Rest),
        reload: None,
        health: Arc::new(Rest),
        external_url: None,
    };
    let routes = router(parts);
    criterion.bench_function("status page of 1000", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let Ok(answer) = routes.clone().oneshot(Request::new(Body::empty())).await;
                assert_eq!(answer.status(), 200);
                axum::body::to_bytes(answer.into_body(), usize::MAX).await.map(|page| page.len())
            })
        });
    });
}
