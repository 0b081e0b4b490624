//! Traces of a program built with the feature `otel`: the spans sent to the collector, and the
//! data that must not be in them. The collector is a fake and keeps all requests.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::*;

const CHANNEL: &str = "private-encrypted-traced";
const PAYLOAD: &str = "payload-canary-90c7d2e41b";
const BEARER: &str = "bearer-canary-1f66b0a9c3";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A span of an OTLP request.
#[derive(Debug, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The byte and number fields of a protobuf message; others are skipped.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => fields.push((key >> 3, Vec::new(), varint(&mut bytes))),
            1 => bytes = &bytes[8..],
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (value, rest) = bytes.split_at(length);
                fields.push((key >> 3, value.to_vec(), 0));
                bytes = rest;
            }
            5 => bytes = &bytes[4..],
            other => panic!("wire type {other}"),
        }
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn within_field(messages: Vec<Vec<u8>>, number: u64) -> Vec<Vec<u8>> {
    let of = |message: &Vec<u8>| fields(message).into_iter().filter(move |field| field.0 == number);
    messages.iter().flat_map(of).map(|field| field.1).collect()
}

/// `resource_spans`, in each `scope_spans`, in each `spans`.
fn spans(hook: &WebhookRequest) -> Vec<Span> {
    let resources = within_field(vec![hook.body.clone()], 1);
    let all = within_field(within_field(resources, 2), 2);
    all.iter().map(|message| span(message)).collect()
}

fn span(message: &[u8]) -> Span {
    let mut span = Span::default();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    for (number, bytes, _) in fields(message) {
        match number {
            1 => span.trace = hex(&bytes),
            2 => span.id = hex(&bytes),
            4 => span.parent = hex(&bytes),
            5 => span.name = text(&bytes),
            9 => {
                let pair = fields(&bytes);
                let value = fields(&pair[1].1).remove(0);
                let shown = if value.0 == 1 { text(&value.1) } else { value.2.to_string() };
                span.attributes.insert(text(&pair[0].1), shown);
            }
            _ => {}
        }
    }
    span
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = named(spans, name);
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

fn traced(collector: &WebhookReceiver, text: &str) -> Launch {
    Launch::serve(text)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""))
        .env("OTEL_SERVICE_NAME", "sealcast-under-test")
}

#[tokio::test]
async fn c_trace_spans_request_authorizer_and_webhook() {
    let collector = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let backend = WebhookReceiver::start(ReceiverReply::Status(200)).await;
    let decides = StubServer::start(Reply::json(200, &json!({"user_id": "user-canary-77"}))).await;
    let master = master_key("traced");
    let app = format!(
        "authorizer = \"forward\"\nmaster_key = \"{}\"\n[apps.it.forward]\nurl = \"{}\"\nheaders = [\"authorization\"]",
        base64(&master),
        decides.url("/decide")
    );
    let text = with_webhooks(&app, &[&hooks_url(&backend, "events = [\"channel_occupied\"]")]);
    let server = traced(&collector, &text).start().await;
    let mut client = server.connect().await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let ask = Request::new("POST", "/apps/it/auth/channel").form(&client.auth_form(CHANNEL));
    let ask =
        ask.header("traceparent", &parent).header("Authorization", &format!("Bearer {BEARER}"));
    server.send(ask).await.expect(200, "authorized");
    client.subscribe(CHANNEL).await;
    let body = json!({"name": "name-canary-31", "channel": CHANNEL, "data": PAYLOAD}).to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    let publish = Request::new("POST", target).body("application/json", body);
    server.send(publish.header("traceparent", &parent)).await.expect(200, "published");
    backend.until_events(CHANNEL, &["channel_occupied"]).await;
    let output = server.stop().await;

    let hooks = collector.requests();
    assert!(hooks.iter().all(|hook| hook.path == "/v1/traces"), "{hooks:?}");
    let spans: Vec<Span> = hooks.iter().flat_map(spans).collect();
    let requests = named(&spans, "http request");
    let by_route = |route: &str| {
        let is = |span: &&&Span| span.attributes.get("http.route").is_some_and(|r| r == route);
        *requests.iter().find(is).unwrap_or_else(|| panic!("{route}: {spans:#?}"))
    };
    let (asked, published) = (by_route("/apps/{app}/auth/channel"), by_route("/apps/{app}/events"));
    for request in [asked, published] {
        assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, PARENT));
        assert_eq!(request.attributes["http.response.status_code"], "200", "{request:?}");
        assert_eq!(request.attributes["http.request.method"], "POST", "{request:?}");
    }
    let publish = one(&spans, "publish");
    assert_eq!(publish.parent, published.id);
    assert_eq!(publish.attributes["channel.kind"], "encrypted");
    assert_eq!(publish.attributes["receivers"], "1");
    assert_eq!(one(&spans, "seal").parent, published.id);
    let authorize = one(&spans, "authorize");
    assert_eq!(authorize.parent, asked.id);
    assert_eq!(authorize.attributes["ok"], "1", "a bool of protobuf");
    let forward = one(&spans, "forward");
    assert_eq!(forward.parent, authorize.id);
    let passed_on = format!("traceparent: 00-{TRACE}-{}-01", forward.id);
    assert!(decides.requests()[0].to_lowercase().contains(&passed_on), "{:?}", decides.requests());
    let webhook = one(&spans, "webhook");
    let passed_on = format!("traceparent: 00-{}-{}-01", webhook.trace, webhook.id);
    let head = backend.requests()[0].head.to_lowercase();
    assert!(head.contains(&passed_on), "{head}");

    let mut canaries = Canaries::default();
    canaries.plant("payload", PAYLOAD);
    canaries.plant("token", BEARER);
    canaries.plant("app secret", APP.secret);
    canaries.plant("master key", master);
    canaries.plant("channel", CHANNEL);
    canaries.plant("event name", "name-canary-31");
    canaries.plant("user id", "user-canary-77");
    for hook in hooks {
        canaries.search("a batch of spans", &String::from_utf8_lossy(&hook.body));
        assert!(String::from_utf8_lossy(&hook.body).contains("sealcast-under-test"));
    }
    assert!(!output.stderr.contains("http request{"), "spans are no part of the log: {output:?}");
}

#[tokio::test]
async fn c_hanging_collector_delays_nothing() {
    let collector = WebhookReceiver::start(ReceiverReply::Hang).await;
    let server = traced(&collector, &config("")).env("OTEL_BSP_SCHEDULE_DELAY", "50").start().await;
    let mut client = server.connect().await;
    client.subscribe("c").await;
    for _ in 0..100 {
        server.publish("c", "e", "x").await;
        client.expect_event("e").await;
    }
    // Within the deadline of every test.
    server.stop().await;
}

#[tokio::test]
async fn c_without_a_collector_no_spans_or_headers_are_sent() {
    let decides = StubServer::start(Reply::json(200, &json!({}))).await;
    let app = format!(
        "authorizer = \"forward\"\n[apps.it.forward]\nurl = \"{}\"",
        decides.url("/decide")
    );
    let server = TestServer::start(&config(&app)).await;
    let client = server.connect().await;
    let ask = Request::new("POST", "/apps/it/auth/channel").form(&client.auth_form("private-x"));
    let parent = format!("00-{TRACE}-{PARENT}-01");
    server.send(ask.header("traceparent", &parent)).await.expect(200, "authorized");
    assert!(!decides.requests()[0].contains("traceparent"), "{:?}", decides.requests());
    server.stop().await;
}
