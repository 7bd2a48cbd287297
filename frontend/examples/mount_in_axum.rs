//! A registry inside another server: axum answers `/`, everything else goes to the registry.
//!
//! Run it with `cargo run -p floundr-frontend --example mount_in_axum`, then
//! `curl http://127.0.0.1:8080/v2/`. TLS, limits on connections and draining are axum's here; the
//! pipeline with its request ids, access log, metrics and body timeouts is the registry's own.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use floundr_engine::{Engine, Options};
use floundr_frontend::{Config, Context, Registry};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let engine = Engine::open(Options::new(directory.path())).await?;
    let registry = Registry::new(Context::new(engine.clone(), Config::default()));

    let app = Router::new()
        .route("/", get(async || "a page of the surrounding server\n"))
        .fallback(async move |request: Request| registry.handle(request).await.map(Body::new));

    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await?;
    engine.close().await?;
    Ok(())
}
