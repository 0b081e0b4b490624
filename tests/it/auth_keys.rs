//! Tokens of each key type, and confused tokens.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::*;

fn claims() -> Value {
    json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"]})
}

fn verifying(algorithm: &str, key: &str) -> String {
    config(&format!(
        "authorizer = \"jwt\"\nexplain = true\n[apps.it.jwt]\nalgorithms = [\"{algorithm}\"]\npublic_key = \"\"\"{key}\"\"\""
    ))
}

async fn ask(server: &TestServer, client: &Client, token: &str) -> Response {
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&client.auth_form("private-a"));
    server.send(request).await
}

#[tokio::test]
async fn s10_tokens_of_each_key_type() {
    use Algorithm::*;
    for algorithms in
        [&[RS256, RS384, RS512, PS256, PS384, PS512][..], &[ES256], &[ES384], &[EdDSA]]
    {
        let (key, stranger) = (IssuerKey::new(algorithms[0]), IssuerKey::new(algorithms[0]));
        for algorithm in algorithms {
            let name = format!("{algorithm:?}");
            let server = TestServer::start(&verifying(&name, &key.public_pem)).await;
            let client = server.connect().await;
            let token = key.token_as(*algorithm, None, &claims());
            ask(&server, &client, &token).await.expect(200, &name);
            let token = stranger.token_as(*algorithm, None, &claims());
            let code = ask(&server, &client, &token).await.refused(401, &name);
            assert_eq!(code, "token_signature", "{name}");
            for other in algorithms.iter().filter(|other| *other != algorithm) {
                let token = key.token_as(*other, None, &claims());
                let code = ask(&server, &client, &token).await.refused(401, &name);
                assert_eq!(code, "token_algorithm", "{name} {other:?}");
            }
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn s10_longer_hmac_algorithms() {
    for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        let server = TestServer::start(&config(&format!(
            "authorizer = \"jwt\"\nexplain = true\njwt_secret = \"own\"\n[apps.it.jwt]\nalgorithms = [\"{name}\"]"
        )))
        .await;
        let client = server.connect().await;
        let token = |algorithm, secret: &str| {
            let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
            jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), &claims(), &key)
                .expect("a token")
        };
        ask(&server, &client, &token(algorithm, "own")).await.expect(200, name);
        ask(&server, &client, &token(algorithm, "other")).await.refused(401, name);
        ask(&server, &client, &token(Algorithm::HS256, "own")).await.refused(401, name);
        server.stop().await;
    }
}

/// The public key is never used as an HMAC secret.
#[tokio::test]
async fn s10_public_key_never_verifies_an_hmac() {
    let key = IssuerKey::new(Algorithm::RS256);
    let server = TestServer::start(&verifying("RS256", &key.public_pem)).await;
    let client = server.connect().await;
    let head = |alg: &str| json!({"alg": alg, "typ": "JWT"});
    let pem = key.public_pem.as_str();
    for (name, token) in [
        ("the PEM as a secret", token(&head("HS256"), &claims(), pem)),
        ("the PEM without its last line break", token(&head("HS256"), &claims(), pem.trim_end())),
        ("an HMAC called RS256", token(&head("RS256"), &claims(), pem)),
        ("the app secret", token(&head("HS256"), &claims(), APP.secret)),
        ("none", token(&head("none"), &claims(), pem)),
        ("a long one", key.token(None, &json!({"exp": unix_now() + 9, "x": "x".repeat(9000)}))),
    ] {
        ask(&server, &client, &token).await.refused(401, name);
    }
    // Far above the limit for a header; the HTTP parser refuses it, with or without a response.
    let long = "x".repeat(100 * 1024);
    let mut line = server.http_connection().await;
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {long}"))
        .form(&client.auth_form("private-a"));
    line.write(&request.bytes()).await;
    drop(line);
    ask(&server, &client, &key.token(None, &claims())).await.expect(200, "still there");
    server.stop().await;
}

#[tokio::test]
async fn c_mismatched_keys_stop_the_start() {
    let (rsa, ec) = (IssuerKey::new(Algorithm::RS256), IssuerKey::new(Algorithm::ES256));
    let jwt = |text: &str| format!("authorizer = \"jwt\"\nexplain = true\n[apps.it.jwt]\n{text}");
    let pem = |text: &str| format!("public_key = \"\"\"{text}\"\"\"");
    for (text, expected) in [
        (jwt(&pem(&rsa.public_pem)), "jwt.algorithms is missing"),
        (jwt(&format!("algorithms = [\"ES256\"]\n{}", pem(&rsa.public_pem))), "of another kind"),
        (jwt(&format!("algorithms = [\"RS256\"]\n{}", pem(&ec.public_pem))), "of another kind"),
        (
            jwt(&format!("algorithms = [\"HS256\"]\n{}", pem(&rsa.public_pem))),
            "none of the algorithms",
        ),
        (jwt("algorithms = [\"RS256\"]"), "none of the algorithms"),
        (jwt("algorithms = [\"none\"]"), "must be one of"),
        (jwt("algorithms = [\"RS256\"]\njwks_url = \"http://id.example.com/\""), "must be https"),
        (
            jwt("algorithms = [\"HS256\"]\njwks_url = \"https://id.example.com/\""),
            "anybody may read it",
        ),
        (jwt("leeway_seconds = 301"), "at most 300"),
        (format!("jwt_secret = \"\"\"{}\"\"\"\n{}", rsa.public_pem, jwt("")), "it is a key in PEM"),
        (
            format!("jwt_secret = \"s\"\n{}", jwt("jwks_url = \"https://id.example.com/\"")),
            "keep one",
        ),
    ] {
        let output = Launch::new(&["config", "check"]).config(&config(&text)).output("").await;
        assert!(!output.status.success(), "{text}: {output:?}");
        assert!(output.stderr.contains(expected), "{text}: {output:?}");
    }
}
