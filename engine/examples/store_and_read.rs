//! Stores a blob in pieces and reads a part of it.
//!
//! `cargo run -p floundr-engine --example store_and_read -- FOLDER`

use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::{Engine, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args()
        .nth(1)
        .ok_or("name a folder for the store")?;
    let engine = Engine::open(Options::new(root)).await?;
    let repository = engine.repository(&"examples/text".parse()?);

    let mut session = repository.start_upload(Algorithm::Sha256)?;
    for piece in ["a flounder ", "lies flat ", "on the ground"] {
        session.append(piece.into()).await?;
    }
    let digest = Digest::of(Algorithm::Sha256, b"a flounder lies flat on the ground");
    let size = session.finish(&digest).await?;

    let blob = repository.blob(&digest).await?;
    assert_eq!(blob.size(), size);
    assert_eq!(blob.read(11..20).await?, "lies flat");
    engine.close().await?;
    Ok(())
}
