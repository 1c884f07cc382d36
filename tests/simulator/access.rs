//! Tokens, quotas and the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::json;

use crate::support::served::{LINKS, link, tenant};

// Access

#[tokio::test]
async fn a_legacy_token_lives_for_a_string_of_seconds() {
    let tenant = tenant("token = { lifetime = \"2m\" }").await;
    let reply = tenant
        .form("/signin", &[("client_id", "me"), ("client_secret", "s")])
        .await;
    assert_eq!(
        (reply.status, &reply.body["token_type"]),
        (200, &json!("Bearer"))
    );
    assert_eq!(reply.body["expires_in"], json!("120"));
    assert_eq!(
        reply.body["access_token"]
            .as_str()
            .unwrap()
            .split('.')
            .count(),
        3
    );
}

#[tokio::test]
async fn a_token_lives_for_a_number_of_seconds() {
    let tenant = tenant("").await;
    let assertion = [
        json!({"alg": "RS256"}),
        json!({"iss": "me", "sub": "me", "aud": "https://api.zscaler.com", "exp": 4_000_000_000_u64}),
        json!("a signature that nobody checks"),
    ]
    .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
    .join(".");
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for proof in [("client_secret", "s"), ("client_assertion", &assertion)] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "me"),
            proof,
            ("client_assertion_type", assertion_type),
            ("audience", "https://api.zscaler.com"),
        ];
        let reply = tenant.form("/oauth2/v1/token", &form).await;
        assert_eq!(
            (reply.status, &reply.body["expires_in"]),
            (200, &json!(3600))
        );
    }
    let reply = tenant
        .form(
            "/oauth2/v1/token",
            &[("client_id", "me"), ("client_secret", "s")],
        )
        .await;
    assert_eq!(reply.refusal(), (400, "unsupported_grant_type"));
}

#[tokio::test]
async fn wrong_credentials_are_refused_at_both_sign_ins() {
    let tenant = tenant("").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "me"),
        ("client_secret", "wrong"),
    ];
    for path in ["/signin", "/oauth2/v1/token", "/zpa/signin"] {
        assert_eq!(
            tenant.form(path, &form).await.refusal(),
            (401, "invalid_client")
        );
    }
    let form = [form[0], form[1], ("client_assertion", "a.b.c")];
    let reply = tenant.form("/oauth2/v1/token", &form).await;
    assert_eq!(reply.refusal(), (401, "invalid_client"));
}

#[tokio::test]
async fn a_bad_token_gets_the_401_of_its_path() {
    let mut tenant = tenant("").await;
    tenant.caller.token = "unknown".to_owned();
    assert_eq!(tenant.get(LINKS).await.refusal(), (401, "access.denied"));
    let gateway = tenant.get(&format!("/zpa{LINKS}")).await;
    assert_eq!(gateway.status, 401);
    assert_eq!(
        gateway.body,
        json!({"detail": "unauthorized", "type": "", "title": "", "status": ""})
    );
    assert_eq!(tenant.server.state()["tenants"], json!({}));
}

#[tokio::test]
async fn signing_out_ends_the_token() {
    let tenant = tenant("").await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(
        tenant.call(Method::POST, "/signout", None).await.status,
        200
    );
    assert_eq!(tenant.get(LINKS).await.status, 401);
}

// Quotas

#[tokio::test]
async fn a_call_over_the_quota_gets_the_documented_429() {
    let tenant = tenant("quota = { read = \"off\", write = \"2/1h\" }").await;
    for name in ["a", "b"] {
        assert_eq!(tenant.post(LINKS, link(name)).await.status, 201);
    }
    let refused = tenant.post(LINKS, link("c")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.body,
        json!({"exception": "invalid.toomanyrequests", "id": "invalid.toomanyrequests",
               "reason": "Exceeded the number of requests allowed."})
    );
    let seconds: u64 = refused
        .retry_after
        .unwrap()
        .strip_suffix('s')
        .unwrap()
        .parse()
        .unwrap();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    assert_eq!(tenant.stored_links().len(), 2);
}

#[tokio::test]
async fn reads_writes_and_tenants_have_their_own_quotas() {
    let tenant = tenant("quota = { read = \"1/1h\", write = \"1/1h\" }").await;
    assert_eq!(tenant.get(LINKS).await.status, 200);
    assert_eq!(tenant.get(LINKS).await.status, 429);
    assert_eq!(tenant.delete(&format!("{LINKS}/1")).await.status, 404);
    assert_eq!(tenant.post(LINKS, link("a")).await.status, 429);
    assert_eq!(
        tenant
            .get("/mgmtconfig/v1/admin/customers/73/userPortalLink")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_gateway_tells_its_limit_on_every_answer() {
    let tenant = tenant("quota = { read = \"1/1h\" }").await;
    let headers = async |path: &str| {
        let request = tenant.caller.request(Method::GET, path);
        let answer = request.send().await.unwrap();
        let value = |name: &str| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        let names = ["limit", "remaining", "reset"];
        let values = names.map(|name| value(&format!("x-ratelimit-{name}")));
        (answer.status().as_u16(), values)
    };
    for (status, remaining) in [(200, "4999"), (429, "4998")] {
        let (answered, [limit, left, reset]) = headers(&format!("/zpa{LINKS}")).await;
        assert_eq!(answered, status);
        assert_eq!(limit.unwrap(), "5000, 5000;w=60");
        assert_eq!(left.unwrap(), remaining);
        assert!((1..=60).contains(&reset.unwrap().parse::<u8>().unwrap()));
    }
    assert_eq!(headers(LINKS).await, (429, [None, None, None]));
}

#[tokio::test]
async fn a_call_with_a_bad_token_is_not_counted() {
    let mut tenant = tenant("quota = { read = \"1/1h\" }").await;
    let good = std::mem::replace(&mut tenant.caller.token, "bad".to_owned());
    assert_eq!(tenant.get(LINKS).await.status, 401);
    tenant.caller.token = good;
    assert_eq!(tenant.get(LINKS).await.status, 200);
}
