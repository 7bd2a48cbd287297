//! Goes on with an upload after the store was closed in between: the id is all that is needed.
//!
//! `cargo run -p floundr-engine --example resume_upload -- FOLDER`

use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::{Engine, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args()
        .nth(1)
        .ok_or("name a folder for the store")?;
    let name = "examples/resumed".parse()?;

    let engine = Engine::open(Options::new(&root)).await?;
    let mut session = engine.repository(&name).start_upload(Algorithm::Sha256)?;
    let id = session.id();
    session.append("first half, ".into()).await?;
    let offset = session.suspend().await?;
    engine.close().await?;

    let engine = Engine::open(Options::new(&root)).await?;
    let repository = engine.repository(&name);
    let mut session = repository.resume_upload(&id).await?;
    assert_eq!(session.offset(), offset);
    session.append("second half".into()).await?;
    let digest = Digest::of(Algorithm::Sha256, b"first half, second half");
    session.finish(&digest).await?;
    assert_eq!(repository.stat_blob(&digest).await?.size, 23);
    engine.close().await?;
    Ok(())
}
