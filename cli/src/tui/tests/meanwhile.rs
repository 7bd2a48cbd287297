//! What somebody else changes at a real server between a look at it and what is done because of that look.

use super::real::{Real, TestServer};
use crate::tui::message::Request;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_one_looked_is_not_deleted() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::start(root.path()).await;
    let name = json!({ "name": "team/app" });
    server.ask(Request::post("/repositories", name)).await;
    let mut real = Real::start(Some(server.as_admin()));
    real.until("floundr_admin").await;
    real.keys("gr");
    real.until("Repositories 1").await;
    real.keys("/app<enter>d");
    real.until("Delete a repository").await;
    let quota = |bytes: u64| json!({ "quota_bytes": bytes });
    let change = Request::patch("/repositories/team%2Fapp", quota(4096));
    server.ask(change).await;
    real.keys("team/app<enter>");
    real.until("by now").await;
    real.keys("<esc>w");
    real.until("4.0 KiB").await;
    real.keys("d");
    real.until("Delete a rule").await;
    let rule = Request::put("/rules/team%2Fapp", quota(8192));
    server.ask(rule).await;
    real.keys("y");
    real.until("by now").await;
    real.keys("<esc>");
    real.until("8.0 KiB").await;
    real.keys("d");
    real.until("Delete a rule").await;
    real.keys("y");
    real.until("the rule on team/app was deleted").await;
    real.keys("<esc>d");
    real.until("Delete a repository").await;
    real.keys("team/app<enter>");
    real.until("team/app was deleted").await;
    server.stop().await;
}
