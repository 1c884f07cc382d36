//! Microtenants.

use serde_json::json;

use crate::harness::{LINKS, PORTALS, link, tenant};

#[tokio::test]
async fn a_microtenant_sees_its_own_objects_only() {
    let tenant = tenant("").await;
    let portal = tenant.portals().await.remove(0);
    let created = tenant
        .post(&format!("{LINKS}?microtenantId=9"), link("a"))
        .await;
    assert_eq!(
        (&created.body["microtenantId"], &created.body["name"]),
        (&json!("9"), &json!("a"))
    );
    assert_eq!(
        tenant
            .post(&format!("{LINKS}?microtenantId=0"), link("a"))
            .await
            .status,
        201
    );
    assert_eq!(tenant.get(LINKS).await.body["totalCount"], "1");
    assert_eq!(
        tenant.get(&format!("{LINKS}?microtenantId=9")).await.body["totalCount"],
        "1"
    );
    assert_eq!(
        tenant
            .get(&format!("{LINKS}/{}", created.id()))
            .await
            .status,
        404
    );
    assert_eq!(
        tenant
            .get(&format!("{PORTALS}/{portal}?microtenantId=9"))
            .await
            .status,
        404
    );
    assert_eq!(tenant.stored_links().len(), 2);
}
