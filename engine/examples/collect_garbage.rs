//! A blob stays while a manifest links it, and its space comes back afterwards.
//!
//! `cargo run -p floundr-engine --example collect_garbage -- FOLDER`

use floundr_engine::descriptor::Links;
use floundr_engine::digest::Algorithm;
use floundr_engine::repository::PutManifest;
use floundr_engine::{Engine, Options};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args()
        .nth(1)
        .ok_or("name a folder for the store")?;
    let mut options = Options::new(root);
    options.grace = Duration::from_secs(1);
    options.lease = Duration::from_secs(1);
    options.undo = Duration::ZERO;
    let engine = Engine::open(options).await?;
    let repository = engine.repository(&"examples/garbage".parse()?);

    let layer = repository
        .put_blob(Algorithm::Sha256, "layer".into())
        .await?;
    let put = PutManifest {
        tags: vec!["latest".parse()?],
        ..PutManifest::new(
            "{}",
            "application/vnd.example+json".parse()?,
            Links {
                layers: vec![layer],
                ..Links::default()
            },
        )
    };
    let manifest = repository.put_manifest(put).await?.digest;

    repository.delete_manifest(&manifest).await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    engine.collect().await?;
    assert!(repository.stat_blob(&layer).await.is_err());
    engine.close().await?;
    Ok(())
}
