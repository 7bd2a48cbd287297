//! The management API's uploads.

use crate::manage_content::Cast;
use serde_json::{Value, json};

#[tokio::test]
async fn an_upload_is_seen_by_its_uuid_alone_and_can_be_ended() {
    let cast = Cast::start().await;
    let credentials = cast.credentials("admin");
    let headers = [("authorization", &*credentials)];
    let started = cast
        .0
        .call("POST /v2/team/app/blobs/uploads/", &headers, "")
        .await
        .expect(202);
    let location = started.header("location").to_owned();
    let chunk = format!("PATCH {location}");
    let chunk = cast.0.call(&chunk, &headers, "12345").await.expect(202);
    let location = chunk.header("location").to_owned();
    let listed = cast.get("admin", "/uploads").await.expect(200);
    let token = location.rsplit('.').next().unwrap();
    assert!(!String::from_utf8_lossy(&listed.body).contains(token));
    let upload = &listed.json()["items"][0];
    assert_eq!(upload["repository"], "team/app");
    assert_eq!(
        (&upload["offset_bytes"], &upload["active"]),
        (&json!(5), &json!(false))
    );
    let id = upload["id"].as_str().unwrap();
    assert!(location.contains(id));
    let cancel = format!("DELETE /uploads/{id}");
    cast.ask("admin", &cancel, &Value::Null).await.expect(204);
    cast.ask("admin", &cancel, &Value::Null)
        .await
        .problem(404, "not-found");
    let gone = cast
        .0
        .call(&format!("PATCH {location}"), &headers, "6")
        .await;
    gone.refused(404, "BLOB_UPLOAD_UNKNOWN");
    cast.ask("admin", "DELETE /uploads/x", &Value::Null)
        .await
        .problem(400, "name-invalid");
}
